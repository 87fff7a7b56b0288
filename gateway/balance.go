package gateway

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/ingress"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// Ingress is for load balancers. Without a listener none are answered.
type Ingress struct {
	Listener net.Listener
	Address  string // host:port where load balancers reach this gateway's streams; empty: none send any
}

// serveIngress answers load balancers until the context ends.
func (g *Gateway) serveIngress(ctx context.Context) {
	err := ingress.Serve(ctx, g.ingress.Listener, ingress.Options{Check: g.checkFor, Fleet: g.peers.serving})
	if err != nil {
		g.log.Error("load balancers", "error", err)
	}
}

// checkFor checks a ticket for a load balancer, with what is in memory.
func (g *Gateway) checkFor(session streamspace.SessionID, pass, resume, origin, host string) streamspace.Code {
	var claims ticket.Claims
	var err error
	if resume != "" {
		var back ticket.Resume
		back, err = ticket.VerifyResume(resume, session, time.Now(), g.knownSigner)
		claims = back.Claims
	} else {
		claims, err = g.verifier.Verify(pass, session)
	}
	switch {
	case errors.Is(err, ticket.ErrExpired):
		return streamspace.CodeTicketExpired
	case err != nil:
		return streamspace.CodeTicketInvalid
	case !claims.Allows(streamspace.PermissionView):
		return streamspace.CodeForbidden
	case !g.originFits(origin, claims.Origin, host):
		return streamspace.CodeOriginForbidden
	}
	return ""
}

// knownSigner finds the key of a gateway that is known.
func (g *Gateway) knownSigner(id string) (ticket.PublicKey, bool) {
	if own := g.key.Public(); id == own.ID() {
		return own, true
	}
	return g.peers.remembered(id)
}

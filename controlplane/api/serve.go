package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
)

const (
	requestIDHeader = "X-Request-Id"
	// maxRequestID is long enough for a UUID or a trace context.
	maxRequestID = 64
)

// serve is the outermost handler: every request gets an id, the headers that
// every answer has, a line in the log, a place in the metrics, and an answer
// even when the code behind panics.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	started := a.Now()
	id := requestID(r)
	x := &exchange{visit: a.visitFrom(r, id)}
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	recorder := &recorder{ResponseWriter: w}
	securityHeaders(w.Header(), id)
	defer func() {
		fault := recover()
		if fault != nil && fault != http.ErrAbortHandler {
			a.Logger.Error("request panicked", "panic", fmt.Sprint(fault), "stack", string(debug.Stack()), "request_id", id, "route", x.route)
			if recorder.status == 0 {
				a.writeProblem(recorder, x, problem(streamspace.CodeInternal, internalDetail))
				fault = nil
			}
		}
		took := a.Now().Sub(started)
		if recorder.status != http.StatusSwitchingProtocols { // a socket's life is no answer's time
			a.metrics.observe(x.route, r.Method, recorder.status, took)
		}
		a.Logger.Info("request served", "method", method(r.Method), "route", x.route, "status", recorder.status, "bytes", recorder.bytes,
			"duration", took, "request_id", id, "remote_addr", x.visit.RemoteAddr, "user", x.user)
		if fault != nil {
			panic(http.ErrAbortHandler) // the answer has begun: only cutting it tells the client
		}
	}()
	if wait := a.byAddress.Take(r.Context(), identity.Network(x.visit.RemoteAddr)); wait > 0 {
		a.writeProblem(recorder, x, tooManyRequests(wait))
		return
	}
	r.Body = http.MaxBytesReader(recorder, r.Body, maxBodyBytes+1) // huma counts to maxBodyBytes and says too_large
	if handler, pattern := a.mux.Handler(r); pattern == "" {
		a.unmatched(recorder, r, x, handler)
		return
	}
	a.mux.ServeHTTP(recorder, r)
}

// requestID takes the id that a proxy gave, if it is fit for a log, or makes one.
func requestID(r *http.Request) string {
	given := r.Header.Get(requestIDHeader)
	if given != "" && len(given) <= maxRequestID && isRequestID(given) {
		return given
	}
	var raw [12]byte
	rand.Read(raw[:]) // crypto/rand.Read never fails: it ends the process first
	return hex.EncodeToString(raw[:])
}

func isRequestID(id string) bool {
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// securityHeaders are for an API whose answers are data: never a page, never
// framed, never kept.
func securityHeaders(h http.Header, requestID string) {
	h.Set(requestIDHeader, requestID)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// unmatched asks the mux's own answer for its status and says it as a problem.
func (a *API) unmatched(w *recorder, r *http.Request, x *exchange, handler http.Handler) {
	probe := &statusProbe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		a.writeProblem(w, x, problemStatus(http.StatusMethodNotAllowed, streamspace.CodeInvalid,
			"This path does not take that method, but "+probe.header.Get("Allow")+"."))
		return
	}
	a.writeProblem(w, x, notFound("path"))
}

type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack is for the events socket.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/rtc"
)

// PrefixWebRTC is where a WebRTC belongs on a http.ServeMux:
//
//	POST   /rtc/v1/{session}?ticket=…   an offer in SDP, answered by 201 with the answer
//	PATCH  /rtc/v1/{session}/{peer}     further addresses (application/trickle-ice-sdpfrag)
//	DELETE /rtc/v1/{session}/{peer}     the viewer leaves
const PrefixWebRTC = "/rtc/v1/"

const (
	typeOffer    = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"
)

// WebRTC lets viewers in by WebRTC: the same viewers, by the same tickets and to
// the same rooms as by WebSocket.
type WebRTC struct {
	gateway *Gateway
	server  *rtc.Server
	turn    *rtc.Access // nil without relays
	metrics *rtcMetrics
}

// rtcMetrics is what is counted beyond what all streams are.
type rtcMetrics struct {
	up     *prometheus.CounterVec // by format
	failed prometheus.Counter
	took   prometheus.Histogram
}

// NewWebRTC returns the handler of PrefixWebRTC. turn, if there is one, is how
// viewers get through relays. The server is closed by whoever
// made it, after the gateway has ended.
func NewWebRTC(g *Gateway, server *rtc.Server, turn *rtc.Access, registerer prometheus.Registerer) (*WebRTC, error) {
	const prefix = "streamspace_gateway_webrtc_"
	peers := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "peers", Help: "Browsers that are connected by WebRTC, or about to be."},
		func() float64 { return float64(server.Peers()) })
	m := &rtcMetrics{
		up:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "connected_total", Help: "Browsers that were connected by WebRTC, by the format of their video."}, []string{"format"}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "failed_total", Help: "Offers that were answered and led to no connection."}),
		took:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + "connect_seconds", Help: "Time from an offer to an open connection.", Buckets: waitBuckets}),
	}
	for _, collector := range []prometheus.Collector{peers, m.up, m.failed, m.took} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering WebRTC's metrics: %w", err)
		}
	}
	web := &WebRTC{gateway: g, server: server, turn: turn, metrics: m}
	g.webrtc.Store(web)
	return web, nil
}

// there tells the viewer of a WebSocket that it can go on by WebRTC, at
// PrefixWebRTC where the stream's path is, and by which relays if by no other way.
func (web *WebRTC) there(viewer streamspace.ViewerID) []byte {
	told := struct {
		Type       string          `json:"type"`
		ICEServers []rtc.ICEServer `json:"iceServers,omitempty"`
	}{Type: "webrtc"}
	if web.turn != nil {
		var err error
		if told.ICEServers, err = web.turn.Mint(string(viewer)); err != nil {
			web.gateway.log.Warn("a viewer has no relay", "error", err)
		}
	}
	text, err := json.Marshal(told)
	if err != nil {
		return []byte(`{"type":"webrtc"}`) // strings alone cannot fail
	}
	return text
}

// ServeHTTP answers all methods.
func (web *WebRTC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := requestIDOf(w)
	// A page may speak with another gateway than the one it came from. Nothing here
	// rests on cookies: whether the page's origin may is asked for with the ticket.
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Expose-Headers", "Location, "+requestIDHeader)
	path, peer, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, PrefixWebRTC), "/")
	session, err := streamspace.ParseSessionID(path)
	switch {
	case r.Method == http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Methods", "POST, PATCH, DELETE")
		w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
		w.Header().Set("Access-Control-Max-Age", "3600")
		w.WriteHeader(http.StatusNoContent)
		return
	case err != nil:
		err = &refusal{status: http.StatusNotFound, code: streamspace.CodeNotFound, detail: "no such session"}
	case r.Method == http.MethodPost && peer == "":
		err = web.offer(w, r, session, requestID)
	case r.Method == http.MethodPatch && peer != "":
		err = web.trickle(w, r, peer)
	case r.Method == http.MethodDelete && peer != "":
		if err = refusedPeer(web.server.Leave(peer)); err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		w.Header().Set("Allow", "POST, PATCH, DELETE, OPTIONS")
		err = &refusal{status: http.StatusMethodNotAllowed, code: streamspace.CodeInvalid, detail: "an offer is sent with POST, what follows with PATCH and DELETE"}
	}
	if err != nil {
		web.gateway.refuse(w, r, requestID, err)
	}
}

// body reads one of the type, up to limit bytes.
func body(r *http.Request, kind string, limit int) ([]byte, error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != kind {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, code: streamspace.CodeInvalid, detail: "the body is to be " + kind}
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, code: streamspace.CodeInvalid, detail: "the body did not come"}
	case len(b) > limit:
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, code: streamspace.CodeInvalid, detail: fmt.Sprintf("the body has more than %d bytes", limit)}
	}
	return b, nil
}

// offer admits a viewer and answers its offer.
func (web *WebRTC) offer(w http.ResponseWriter, r *http.Request, session streamspace.SessionID, requestID string) error {
	offer, err := body(r, typeOffer, rtc.MaxOffer)
	if err != nil {
		return err
	}
	s, err := web.gateway.letIn(r, session, requestID)
	if err != nil {
		return err
	}
	screen := &screen{stream: s}
	peer, err := web.server.Offer(r.Context(), offer, rtc.Handlers{Refresh: screen.refreshed, Moved: screen.moved, Said: screen.said})
	if err != nil {
		web.gateway.release(s)
		web.gateway.spent(s.claims)
		return refusedPeer(err)
	}
	screen.peer = peer
	web.start(s, screen)
	header := w.Header()
	header.Set("Content-Type", typeOffer)
	header.Set("Cache-Control", "no-store")
	header.Set("Location", PrefixWebRTC+string(session)+"/"+peer.ID())
	w.WriteHeader(http.StatusCreated)
	io.WriteString(w, peer.Answer())
	return nil
}

// trickle takes further addresses.
func (web *WebRTC) trickle(w http.ResponseWriter, r *http.Request, peer string) error {
	fragment, err := body(r, typeFragment, rtc.MaxFragment)
	if err == nil {
		err = refusedPeer(web.server.Trickle(r.Context(), peer, fragment))
	}
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// refusedPeer says what the server's refusal means to the viewer.
func refusedPeer(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rtc.ErrOffer):
		return &refusal{status: http.StatusBadRequest, code: streamspace.CodeInvalid, detail: err.Error()}
	case errors.Is(err, rtc.ErrNoFormat):
		return &refusal{status: http.StatusNotAcceptable, code: streamspace.CodeInvalid, detail: "the browser decodes no video that is coded here"}
	case errors.Is(err, rtc.ErrUnknown):
		return &refusal{status: http.StatusNotFound, code: streamspace.CodeNotFound, detail: "no such peer"}
	case errors.Is(err, rtc.ErrFull):
		return &refusal{status: http.StatusServiceUnavailable, code: streamspace.CodeGatewayFull, detail: "the gateway has all the viewers by WebRTC that it can serve", retry: retryAfter}
	case errors.Is(err, rtc.ErrOver):
		return &refusal{status: http.StatusServiceUnavailable, code: streamspace.CodeGatewayDraining, detail: "the gateway is going away", retry: retryAfter}
	}
	return fmt.Errorf("answering an offer: %w", err)
}

// start gives the admitted stream its goroutine.
func (web *WebRTC) start(s *stream, on *screen) {
	g, began := web.gateway, time.Now()
	g.metrics.admitted.Inc()
	s.mu.Lock()
	s.cancel = on.peer.Close // until the stream has a socket
	if s.cause != nil {
		on.peer.Close()
	}
	s.mu.Unlock()
	go func() { // counted in reserve
		defer g.release(s)
		defer func() {
			on.peer.Close()
			<-on.peer.Done()
		}()
		select {
		case <-on.peer.Up():
		case <-on.peer.Done():
			web.metrics.failed.Inc()
			g.spent(s.claims)
			s.log().Info("no WebRTC connection", "reason", on.peer.Err())
			return
		}
		web.metrics.took.Observe(time.Since(began).Seconds())
		web.metrics.up.WithLabelValues(on.label()).Inc()
		s.mu.Lock()
		s.cancel = nil
		s.mu.Unlock()
		s.screen = on
		s.open(on.peer.Conn(), true)
		s.run()
	}()
}

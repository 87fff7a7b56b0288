package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/streamspace/streamspace"
)

type eventsInput struct {
	After int64 `query:"after" minimum:"0" doc:"Id of the last event seen: those after it are sent, or a resync when they are gone."`
}

type eventsOutput struct {
	Body func(huma.Context)
}

// Schema names the event types.
func (EventType) Schema(r huma.Registry) *huma.Schema {
	return enumeration(r, "EventType", "What an event tells. session.shared and session.unshared are for the one who is invited; session.shares says to the owner that the list of shares changed.",
		EventHello, EventSessionCreated, EventSessionUpdated, EventSessionDeleted,
		EventSessionShared, EventSessionUnshared, EventSessionShares,
		EventUserCreated, EventUserUpdated, EventUserDeleted, EventResync)
}

func (a *API) eventRoutes() {
	signedIn(a, route{id: "watchEvents", method: http.MethodGet, path: "/events", tag: "events",
		summary: "Watch every change the caller may see", status: http.StatusSwitchingProtocols,
		description: "A WebSocket of JSON text frames, each an Event: hello first, then changes in order; resync when events were lost and everything has to be read again. " +
			"The server pings every 25 seconds. It closes with 4001 access_revoked when the login ends and 1012 when the server restarts. Pages must be of the same origin.",
		codes: []streamspace.Code{streamspace.CodeOriginForbidden},
	}, a.watchEvents)
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Event](), true, "Event")
	response := a.huma.OpenAPI().Paths["/events"].Get.Responses["101"]
	response.Description = "Switching Protocols: every text frame is an Event"
	response.Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
}

func (a *API) watchEvents(ctx context.Context, c caller, in *eventsInput) (*eventsOutput, error) {
	leave, err := a.hub.enter(c.ID)
	if err != nil {
		return nil, err
	}
	return &eventsOutput{Body: func(hc huma.Context) {
		defer leave()
		r, w := humago.Unwrap(hc)
		a.hub.serve(ctx, w, r, c, in.After)
	}}, nil
}

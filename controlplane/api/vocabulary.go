package api

import (
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/streamspace/streamspace"
)

const schemaPrefix = "#/components/schemas/"

// The types below give the vocabulary's plain strings their schemas: named
// enumerations, so that clients get one type for each.
type (
	roleSchema         struct{}
	permissionSchema   struct{}
	stateSchema        struct{}
	desiredStateSchema struct{}
	networkSchema      struct{}
	codeSchema         struct{}
)

func (roleSchema) Schema(r huma.Registry) *huma.Schema {
	return enumeration(r, "Role", "What an account may do on the whole installation.",
		streamspace.RoleAdmin, streamspace.RoleUser)
}

func (permissionSchema) Schema(r huma.Registry) *huma.Schema {
	return enumeration(r, "Permission", "One thing a viewer may do inside a session.", permissions...)
}

func (stateSchema) Schema(r huma.Registry) *huma.Schema {
	return enumeration(r, "State", "What a session was last observed to be.",
		streamspace.StatePending, streamspace.StateStarting, streamspace.StateRunning, streamspace.StateHibernating,
		streamspace.StateHibernated, streamspace.StateWaking, streamspace.StateStopping, streamspace.StateStopped,
		streamspace.StateFailed)
}

func (desiredStateSchema) Schema(r huma.Registry) *huma.Schema {
	return enumeration(r, "DesiredState", "What somebody asked a session to be.",
		streamspace.DesiredRunning, streamspace.DesiredHibernated, streamspace.DesiredStopped)
}

func (networkSchema) Schema(r huma.Registry) *huma.Schema {
	return enumeration(r, "Network", "What a desktop may reach.",
		streamspace.NetworkNone, streamspace.NetworkInternet)
}

func (codeSchema) Schema(r huma.Registry) *huma.Schema {
	return enumeration(r, "Code", "The kind of a failure. Streams use the same codes as WebSocket close reasons.",
		streamspace.CodeInvalid, streamspace.CodeUnauthenticated, streamspace.CodeForbidden, streamspace.CodeCSRF,
		streamspace.CodeNotFound, streamspace.CodeConflict, streamspace.CodeThrottled, streamspace.CodeTooLarge,
		streamspace.CodeNotInstalled, streamspace.CodeUnavailable, streamspace.CodeInternal, streamspace.CodeTicketInvalid,
		streamspace.CodeTicketExpired, streamspace.CodeTicketUsed, streamspace.CodeTicketRevoked,
		streamspace.CodeOriginForbidden, streamspace.CodeDesktopGone, streamspace.CodeDesktopStart,
		streamspace.CodeViewerTooSlow, streamspace.CodeViewerIdle, streamspace.CodeViewerFlood, streamspace.CodeProtocol,
		streamspace.CodeGatewayDraining, streamspace.CodeGatewayFull, streamspace.CodeAccessRevoked,
		streamspace.CodeSessionStopped, streamspace.CodeSessionHibernate)
}

// permissions are all there are, in the order in which they are listed.
var permissions = []streamspace.Permission{
	streamspace.PermissionView, streamspace.PermissionControl, streamspace.PermissionClipboardIn,
	streamspace.PermissionClipboardOut, streamspace.PermissionFiles, streamspace.PermissionAudio, streamspace.PermissionMicrophone, streamspace.PermissionAdmin,
}

// enumeration registers a named schema and returns a reference to it.
func enumeration[T ~string](r huma.Registry, name, description string, values ...T) *huma.Schema {
	if r.Map()[name] == nil {
		schema := &huma.Schema{Type: huma.TypeString, Description: description}
		for _, value := range values {
			schema.Enum = append(schema.Enum, string(value))
		}
		schema.PrecomputeMessages()
		r.Map()[name] = schema
	}
	return &huma.Schema{Ref: schemaPrefix + name}
}

// registry returns the document's schemas with our vocabulary in it.
func registry() huma.Registry {
	r := huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer)
	alias := func(t, schema reflect.Type) { r.RegisterTypeAlias(t, schema) }
	alias(reflect.TypeFor[streamspace.Role](), reflect.TypeFor[roleSchema]())
	alias(reflect.TypeFor[streamspace.Permission](), reflect.TypeFor[permissionSchema]())
	alias(reflect.TypeFor[streamspace.State](), reflect.TypeFor[stateSchema]())
	alias(reflect.TypeFor[streamspace.DesiredState](), reflect.TypeFor[desiredStateSchema]())
	alias(reflect.TypeFor[streamspace.Network](), reflect.TypeFor[networkSchema]())
	alias(reflect.TypeFor[streamspace.Code](), reflect.TypeFor[codeSchema]())
	return r
}

// optionalTime gives nil for the zero time, and UTC with whole milliseconds
// otherwise: what JavaScript's Date holds.
func optionalTime(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	at := wireTime(*t)
	return &at
}

func wireTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

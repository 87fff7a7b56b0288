package tree

import (
	"encoding/json"
	"fmt"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/room"
)

// What is said besides RFB. Unknown types are left out, so that gateways of two
// versions can serve together while a fleet is upgraded.
const (
	// From the gateway whose viewers they are.
	Join  = "join"  // Member came; Control: it had control in the room before
	Leave = "leave" // Viewer
	Do    = "do"    // Viewer asks for Command
	Act   = "act"   // Viewer does what the RFB message that follows says, and would take control by it; Purpose
	Point = "point" // Viewer points at X, Y

	// From the one that has the room.
	Who     = "who"     // Members, all of them
	Held    = "held"    // Control
	Cursors = "cursors" // where viewers of any gateway point
	Refused = "refused" // Refusal for Viewer
)

// Up is what a gateway says of its viewers.
type Up struct {
	Type    string               `json:"type"`
	Member  *room.Member         `json:"member,omitempty"`
	Control bool                 `json:"control,omitempty"`
	Viewer  streamspace.ViewerID `json:"viewer,omitempty"`
	Command room.Command         `json:"command,omitzero"`
	Purpose bool                 `json:"purpose,omitempty"`
	X       uint16               `json:"x,omitempty"`
	Y       uint16               `json:"y,omitempty"`
}

// Down is what the gateway that has the room says.
type Down struct {
	Type    string               `json:"type"`
	Who     *room.Who            `json:"who,omitempty"`
	Held    *room.Held           `json:"held,omitempty"`
	Cursors []Cursor             `json:"cursors,omitempty"`
	Viewer  streamspace.ViewerID `json:"viewer,omitempty"`
	Refusal json.RawMessage      `json:"refusal,omitempty"` // as the viewer is told
}

// Cursor is where a viewer points.
type Cursor struct {
	Viewer streamspace.ViewerID `json:"viewer"`
	X      uint16               `json:"x"`
	Y      uint16               `json:"y"`
	Gone   bool                 `json:"gone,omitempty"`
}

// Encode writes an Up or a Down, which always can be written.
func Encode[M Up | Down](m M) []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("tree: encoding %T: %v", m, err))
	}
	return text
}

// Decode reads one.
func Decode[M Up | Down](text []byte) (m M, err error) {
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("a text between gateways: %w", err)
	}
	return m, nil
}

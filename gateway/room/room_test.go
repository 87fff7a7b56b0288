package room

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

// full is a room with an owner, two who may control and one who may watch.
func full() *Room {
	r := new(Room)
	for _, m := range []Member{
		{ID: "owner", Permissions: streamspace.OwnerPermissions},
		{ID: "ada", Permissions: []streamspace.Permission{streamspace.PermissionView, streamspace.PermissionControl}},
		{ID: "bob", Permissions: []streamspace.Permission{streamspace.PermissionView, streamspace.PermissionControl}, Guest: true},
		{ID: "eve", Permissions: []streamspace.Permission{streamspace.PermissionView}},
	} {
		r.Join(m)
	}
	r.Changes()
	return r
}

// step is one thing that happens, and what has to be told after it.
type step struct {
	at   float64
	do   string // "ada presses", "ada moves", "ada leaves", "tick", or "ada control.give bob"
	want string // "holder|requests|refusals", and "!" when input was not let through
}

func play(r *Room, s step) string {
	words := strings.Fields(s.do + " . .")
	who, now, let := streamspace.ViewerID(words[0]), at(s.at), true
	switch words[1] {
	case "presses":
		let = r.Input(who, true, now)
	case "moves":
		let = r.Input(who, false, now)
	case "leaves":
		r.Leave(who, now)
	case ".":
		r.Tick(now)
	default:
		r.Do(who, Command{CommandType(words[1]), streamspace.ViewerID(words[2])}, now)
	}
	var asks, refused []string
	for _, q := range r.requests {
		asks = append(asks, string(q.from))
	}
	for _, no := range r.Changes().Refusals {
		refused = append(refused, fmt.Sprintf("%s:%s", no.To, no.Code))
	}
	got := strings.Join([]string{string(r.Holder()), strings.Join(asks, ","), strings.Join(refused, ",")}, "|")
	if !let {
		got += "!"
	}
	return got
}

func TestControl(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]step{
		"free control goes to whoever acts first": {
			{0, "eve presses", "||!"}, {1, "ada moves", "ada||"}, {2, "bob presses", "ada||!"}, {3, "ada presses", "ada||"},
		},
		"a request of free control is granted at once":  {{0, "bob control.request", "bob||"}},
		"a request by a viewer who may not is refused":  {{0, "eve control.request", "||eve:forbidden"}},
		"a request by the holder changes nothing":       {{0, "ada moves", "ada||"}, {1, "ada control.request", "ada||"}},
		"the holder gives":                              {{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {2, "ada control.give bob", "bob||"}, {3, "ada moves", "bob||!"}},
		"the holder gives unasked, another still waits": {{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {2, "ada control.give owner", "owner|bob|"}},
		"the holder denies": {
			{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {2, "ada control.deny bob", "ada||bob:denied"}, {3, "ada control.deny bob", "ada||ada:not_found"},
		},
		"one request each": {{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {2, "bob control.request", "ada|bob|"}},
		"who has no control gives and denies none": {
			{0, "ada moves", "ada||"}, {1, "bob control.give bob", "ada||bob:conflict"}, {2, "bob control.deny ada", "ada||bob:conflict"},
		},
		"nobody gets what he may not have": {{0, "ada moves", "ada||"}, {1, "ada control.give eve", "ada||ada:forbidden"}, {2, "ada control.give zoe", "ada||ada:not_found"}},
		"an idle holder loses it to a request after 15 s": {
			{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {11, "tick", "ada|bob|"}, {15.9, "tick", "ada|bob|"}, {16, "tick", "bob||"},
		},
		"a busy holder keeps it until it is idle": {
			{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {15, "ada moves", "ada|bob|"}, {16, "tick", "ada|bob|"}, {24.9, "tick", "ada|bob|"}, {25, "tick", "bob||"},
		},
		"a request to a busy holder ends": {
			{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {20, "ada moves", "ada|bob|"}, {29, "ada moves", "ada|bob|"}, {38, "ada moves", "ada|bob|"},
			{47, "ada moves", "ada|bob|"}, {56, "ada moves", "ada|bob|"}, {60.9, "tick", "ada|bob|"}, {61, "tick", "ada||bob:expired"},
		},
		"a holder that leaves frees it":         {{0, "ada moves", "ada||"}, {1, "ada leaves", "||"}, {2, "bob moves", "bob||"}},
		"a holder that leaves has it handed on": {{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {2, "owner control.request", "ada|bob,owner|"}, {3, "ada leaves", "bob|owner|"}},
		"who leaves asks for nothing":           {{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {2, "bob leaves", "ada||"}, {30, "tick", "ada||"}},
		"a release frees it, and a passing pointer does not take it again": {
			{0, "ada moves", "ada||"}, {1, "ada control.release", "||"}, {2, "ada moves", "||!"}, {3, "ada presses", "ada||"}, {4, "ada moves", "ada||"},
		},
		"a release hands it on":                 {{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {2, "ada control.release", "bob||"}},
		"a release of no control drops the ask": {{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {2, "bob control.release", "ada||"}},
		"the owner takes":                       {{0, "ada moves", "ada||"}, {1, "bob control.take", "ada||bob:forbidden"}, {2, "owner control.take", "owner||"}, {3, "ada presses", "owner||!"}},
		"the owner resets": {
			{0, "ada moves", "ada||"}, {1, "bob control.request", "ada|bob|"}, {2, "bob control.reset", "ada|bob|bob:forbidden"}, {3, "owner control.reset", "||bob:denied"}, {4, "ada moves", "||!"}, {5, "bob moves", "bob||"},
		},
		"a stranger changes nothing": {{0, "zoe presses", "||!"}, {1, "zoe control.take", "||"}, {2, "zoe leaves", "||"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := full()
			for _, s := range steps {
				if got := play(r, s); got != s.want {
					t.Fatalf("at %v s, after %q: %s, want %s", s.at, s.do, got, s.want)
				}
			}
		})
	}
}

func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	r := full()
	r.Input("ada", false, at(0))
	if c := r.Changes(); !c.Control || c.Viewers || len(c.Lost) != 0 {
		t.Errorf("after the first input: %+v", c)
	}
	r.Input("ada", false, at(1))
	if c := r.Changes(); c.Any() {
		t.Errorf("more input changed %+v", c)
	}
	if next := r.Tick(at(1)); next != at(11) {
		t.Errorf("next look at %v", next)
	}
	r.Do("owner", Command{Type: ControlTake}, at(2))
	if c := r.Changes(); !c.Control || !slices.Equal(c.Lost, []streamspace.ViewerID{"ada"}) {
		t.Errorf("after a take: %+v", c)
	}
	r.Tick(at(12))
	if c := r.Changes(); !c.Control || len(c.Lost) != 0 || !r.idle {
		t.Errorf("after idling: %+v", c)
	}
	r.Input("owner", false, at(13))
	if c := r.Changes(); !c.Control || r.idle {
		t.Errorf("after idling and input: %+v", c)
	}
	for _, id := range []streamspace.ViewerID{"owner", "ada", "bob"} {
		r.Leave(id, at(14))
	}
	if c := r.Changes(); !c.Control || !c.Viewers || r.Len() != 1 {
		t.Errorf("after all but one left: %+v", c)
	}
	if next := r.Tick(at(15)); !next.IsZero() {
		t.Errorf("one who is alone is looked at again at %v", next)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	r := full()
	r.Input("ada", false, at(0))
	r.Do("bob", Command{Type: ControlRequest}, at(0.5))
	small := new(Room)
	small.Join(Member{ID: "a", Name: "Ada <3", Permissions: []streamspace.Permission{"view"}, Since: at(0.7)})
	age := 8.25
	for _, c := range []struct{ got, want string }{
		{string(Welcome(small.members[0].Member)), `{"type":"welcome","viewer":"a","name":"Ada \u003c3","permissions":["view"]}`},
		{string(small.Viewers("a")), `{"type":"viewers","items":[{"viewer":"a","name":"Ada \u003c3","you":true,"permissions":["view"],"since":"2026-11-23T12:00:00Z","guest":false}],"total":1}`},
		{string(small.Control()), `{"type":"control","holder":null,"requests":[],"idle":false}`},
		{string(r.Control()), `{"type":"control","holder":"ada","requests":[{"viewer":"bob","until":"2026-11-23T12:01:00Z"}],"idle":false}`},
		{string(Cursor("ada", 12, 34)), `{"type":"cursor","viewer":"ada","x":12,"y":34}`},
		{string(CursorGone("ada")), `{"type":"cursor","viewer":"ada","gone":true}`},
		{string(Refusal{To: "x", Request: ControlTake, Code: streamspace.CodeForbidden, Detail: "No."}.Message()), `{"type":"refused","request":"control.take","code":"forbidden","detail":"No."}`},
		{
			string(Status{Mode: ModeRelay, RoundTrip: Millis(1234 * time.Microsecond), FrameAge: &age, BytesPerSecond: 5}.Message()),
			`{"type":"status","mode":"relay","roundTripMs":1.234,"frameAgeMs":8.25,"clickToPixelMs":null,"quality":null,"bytesPerSecond":5,"framesPerSecond":0,"dropped":0}`,
		},
	} {
		if c.got != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
}

// TestLongListNamesWhoMatters fills a room and looks who is named.
func TestLongListNamesWhoMatters(t *testing.T) {
	t.Parallel()
	r := new(Room)
	for i := range 500 {
		r.Join(Member{ID: streamspace.ViewerID(fmt.Sprint("v", i)), Name: strings.Repeat("n", 64), Permissions: streamspace.OwnerPermissions})
	}
	r.Input("v499", true, at(0))
	for i := 100; i < 300; i++ {
		r.Do(streamspace.ViewerID(fmt.Sprint("v", i)), Command{Type: ControlRequest}, at(1))
	}
	var list struct {
		Items []listed
		Total int
	}
	if err := json.Unmarshal(r.Viewers("v498"), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != MaxListed || list.Total != 500 {
		t.Fatalf("%d items of %d", len(list.Items), list.Total)
	}
	if !slices.ContainsFunc(list.Items, func(l listed) bool { return l.You && l.Viewer == "v498" }) {
		t.Error("the receiver is not in the list")
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Command{
		`{"type":"control.request"}`:                           {Type: ControlRequest},
		` {"type":"control.give","to":"vwr_1","later":[1,{}]}`: {Type: ControlGive, To: "vwr_1"},
		`{"type":"control.take"}`:                              {Type: ControlTake},
	} {
		if got, known, err := Parse([]byte(text)); err != nil || !known || got != want {
			t.Errorf("%s: %+v %v %v", text, got, known, err)
		}
	}
	for _, text := range []string{`{}`, `{"type":"chat","to":5}`, `{"type":""}`} {
		if _, known, err := Parse([]byte(text)); err != nil || known {
			t.Errorf("%s: known %v, %v", text, known, err)
		}
	}
	for _, text := range []string{``, `[]`, `null`, `"x"`, `{"type":`, `{"type":5}`, `{"type":"control.give","to":5}`, "{\"type\":\"\xff\"}", `{"a":"` + strings.Repeat("x", MaxMessage) + `"}`} {
		if _, _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%.40s was taken", text)
		}
	}
}

// FuzzRoom feeds a viewer's texts to a room: whatever comes, one member who may
// control has control, and only members ask for it.
func FuzzRoom(f *testing.F) {
	for _, text := range []string{
		`{"type":"control.request"}`, `{"type":"control.give","to":"bob"}`, `{"type":"control.take"}` + "\n" + `{"type":"control.reset"}`,
		`{"type":"control.release"}` + "\n" + `{"type":"control.deny","to":"ada"}`, `{"type":"other","x":{"y":[1,2]}}`, `{`,
	} {
		f.Add([]byte(text), uint16(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, pause uint16) {
		r := full()
		who := []streamspace.ViewerID{"owner", "ada", "bob", "eve"}
		now := start
		for i, line := range strings.Split(string(text), "\n") {
			from := who[(i+int(pause))%len(who)]
			now = now.Add(time.Duration(pause) * time.Millisecond * 10)
			c, known, err := Parse([]byte(line))
			if err == nil && known {
				r.Do(from, c, now)
			}
			if i%3 == 0 {
				r.Input(from, i%2 == 0, now)
			}
			if next := r.Tick(now); !next.IsZero() && !next.After(now) {
				t.Fatalf("look again at %v, which is past %v", next, now)
			}
			if m := r.find(r.holder); r.holder != "" && (m == nil || !m.Allows(streamspace.PermissionControl)) {
				t.Fatalf("%s has control", r.holder)
			}
			for _, q := range r.requests {
				if q.from == r.holder || r.find(q.from) == nil {
					t.Fatalf("%s asks", q.from)
				}
			}
			if r.holder == "" && len(r.requests) > 0 {
				t.Fatal("control is free, and somebody waits for it")
			}
			r.Changes()
		}
	})
}

package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/streamspace/streamspace"
)

var update = flag.Bool("update", false, "write openapi.json instead of comparing")

// The committed document is what the web UI generates its types from.
func TestOpenAPIDocument(t *testing.T) {
	want, err := document()
	if err != nil {
		t.Fatal(err)
	}
	const file = "openapi.json"
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("openapi.json is not what the routes say: run go generate ./controlplane/api")
	}
}

// operation is what the tests read of the document.
type operation struct {
	method, path string
	ID           string `json:"operationId"`
	Summary      string
	Tags         []string
	Security     []map[string][]string
	Responses    map[string]struct {
		Description string
		Content     map[string]json.RawMessage
	}
	Parameters []struct {
		Name, In, Description string
		Required              bool
	}
	RequestBody *struct {
		Required bool
		Content  map[string]struct {
			Schema struct {
				Ref string `json:"$ref"`
			}
		}
	}
}

func (o operation) public() bool { return len(o.Security) == 0 }
func (o operation) unsafe() bool { return o.method != http.MethodGet }

type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Enum       []string
	Required   []string
	MinLength  int
	MinItems   int
	Properties map[string]schema
	Items      *schema
}

type openAPI struct {
	OpenAPI    string
	Tags       []struct{ Name string }
	Components struct{ Schemas map[string]schema }
	operations []operation
}

func readDocument(t *testing.T) openAPI {
	t.Helper()
	text, err := document()
	if err != nil {
		t.Fatal(err)
	}
	var doc openAPI
	var paths struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &paths); err != nil {
		t.Fatal(err)
	}
	for path, methods := range paths.Paths {
		for method, op := range methods {
			op.method, op.path = strings.ToUpper(method), path
			doc.operations = append(doc.operations, op)
		}
	}
	if len(doc.operations) < 30 {
		t.Fatalf("the document has %d operations", len(doc.operations))
	}
	return doc
}

func TestDocumentIsComplete(t *testing.T) {
	doc := readDocument(t)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %q", doc.OpenAPI)
	}
	known := map[string]bool{}
	for _, tag := range doc.Tags {
		known[tag.Name] = true
	}
	for _, op := range doc.operations {
		if op.ID == "" || op.Summary == "" || len(op.Tags) != 1 || !known[op.Tags[0]] || op.Security == nil {
			t.Errorf("%s %s lacks an id, a summary, one known tag, or its security", op.method, op.path)
		}
		want := []string{"422", "429", "500"}
		if !op.public() {
			want = append(want, "401")
		}
		if op.unsafe() {
			want = append(want, "403")
		}
		if strings.Contains(op.path, "{") {
			want = append(want, "404")
		}
		for _, status := range want {
			response, ok := op.Responses[status]
			if !ok || response.Description == "" || !bytes.Contains(response.Content[problemType], []byte("#/components/schemas/Problem")) {
				t.Errorf("%s does not say what a %s looks like", op.ID, status)
			}
		}
		success := 0
		for status, response := range op.Responses {
			if status < "400" {
				success++
			}
			if status == "default" || response.Description == "" {
				t.Errorf("%s has a response %s without a meaning", op.ID, status)
			}
		}
		if success != 1 {
			t.Errorf("%s has %d successes", op.ID, success)
		}
		for _, p := range op.Parameters {
			if p.Description == "" || p.In == "path" != p.Required {
				t.Errorf("%s: parameter %s", op.ID, p.Name)
			}
		}
	}
	text, err := document()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), `"$ref": "#/components/schemas/`)[1:] {
		name := part[:strings.IndexByte(part, '"')]
		if _, ok := doc.Components.Schemas[name]; !ok {
			t.Errorf("schema %s is not there", name)
		}
	}
	for _, name := range []string{"Code", "Role", "State", "DesiredState", "Permission", "EventType", "Network"} {
		if len(doc.Components.Schemas[name].Enum) < 2 {
			t.Errorf("%s is no enumeration", name)
		}
	}
}

// example builds a body that the schema accepts.
func (d openAPI) example(s schema) any {
	if s.Ref != "" {
		return d.example(d.Components.Schemas[strings.TrimPrefix(s.Ref, schemaPrefix)])
	}
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	kind, _ := s.Type.(string)
	switch kind {
	case "object":
		object := map[string]any{}
		for _, name := range s.Required {
			object[name] = d.example(s.Properties[name])
		}
		return object
	case "integer", "number":
		return 1
	case "boolean":
		return true
	case "array":
		return []any{d.example(*s.Items)}
	}
	return "abcdefghij"[:max(1, min(10, s.MinLength))]
}

// request fills the path with ids and builds a body.
func (d openAPI) request(op operation, ids map[string]string) (path string, body any) {
	path = op.path
	if strings.Contains(path, "{") {
		room, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/{")
		path = path[:strings.IndexByte(path, '{')] + ids[room] + path[strings.IndexByte(path, '}')+1:]
	}
	if op.RequestBody != nil {
		name := strings.TrimPrefix(op.RequestBody.Content["application/json"].Schema.Ref, schemaPrefix)
		body = d.example(d.Components.Schemas[name])
	}
	return path, body
}

// forms are ids that are well formed and nobody's.
func forms() map[string]string {
	return map[string]string{
		"sessions": string(streamspace.NewSessionID()), "homes": string(streamspace.NewHomeID()), "users": string(streamspace.NewUserID()),
		"api-keys": string(streamspace.NewAPIKeyID()), "auth/logins": string(streamspace.NewLoginID()), "templates": "none",
	}
}

func TestEveryPrivateRouteWantsAuthentication(t *testing.T) {
	w := newWorld(t)
	doc := readDocument(t)
	public := map[string]bool{"getSetup": true, "completeSetup": true, "createLogin": true, "getOpenAPI": true, "joinSession": true}
	for _, op := range doc.operations {
		if op.public() != public[op.ID] {
			t.Errorf("%s: public is %v", op.ID, op.public())
		}
		path, body := doc.request(op, forms())
		guest := w.client()
		for _, credential := range []func(){
			func() {},
			func() { guest.cookie, guest.csrf = strings.Repeat("A", 43), "x" },
			func() { guest.bearer = "ssk_" + strings.Repeat("A", 43) },
		} {
			credential()
			answer := guest.do(op.method, path, body)
			if !op.public() {
				answer.fails(401, streamspace.CodeUnauthenticated)
			}
		}
	}
}

func TestEveryUnsafeRouteWantsACSRFToken(t *testing.T) {
	w := newWorld(t)
	doc := readDocument(t)
	admin := w.admin()
	session := admin.start("terminal")
	ids := forms()
	ids["sessions"], ids["homes"] = string(session.ID), string(session.HomeID)
	other := w.client().signIn("admin", adminPassword)
	for _, op := range doc.operations {
		if op.public() || !op.unsafe() {
			continue
		}
		path, body := doc.request(op, ids)
		for _, token := range []string{"", "wrong", other.csrf, admin.csrf + "x"} {
			forger := w.client()
			forger.cookie, forger.csrf = admin.cookie, token
			forger.do(op.method, path, body).fails(403, streamspace.CodeCSRF)
		}
	}
	var after Session
	if admin.do("GET", "/sessions/"+ids["sessions"], nil).into(200, &after); after.DesiredState != streamspace.DesiredRunning {
		t.Error("a forged request came through")
	}
}

// What is another user's answers exactly like what does not exist, on every
// route with an id in it; what is for administrators is forbidden.
func TestForeignThingsAreNotFound(t *testing.T) {
	w := newWorld(t)
	doc := readDocument(t)
	admin := w.admin()
	ada, eve := admin.newUser("ada", streamspace.RoleUser), admin.newUser("eve", streamspace.RoleUser)
	session := ada.start("terminal")
	var key NewAPIKey
	ada.do("POST", "/api-keys", CreateAPIKeyRequest{Name: "bot"}).into(201, &key)
	var logins LoginSessionList
	ada.do("GET", "/auth/logins", nil).into(200, &logins)
	hers := map[string]string{
		"sessions": string(session.ID), "homes": string(session.HomeID), "users": string(ada.user.ID),
		"api-keys": string(key.ID), "auth/logins": string(logins.Items[0].ID), "templates": "none",
	}
	walked := 0
	for _, op := range doc.operations {
		if !strings.Contains(op.path, "{") {
			continue
		}
		walked++
		foreign, body := doc.request(op, hers)
		absent, _ := doc.request(op, forms())
		malformed, _ := doc.request(op, map[string]string{
			"sessions": "%00", "homes": "x", "users": "..%2f", "api-keys": "%ff", "auth/logins": "%00", "templates": "%00",
		})
		code, status := streamspace.CodeNotFound, 404
		if op.Tags[0] == "users" {
			code, status = streamspace.CodeForbidden, 403
		}
		theirs := eve.do(op.method, foreign, body).fails(status, code)
		nobodys := eve.do(op.method, absent, body).fails(status, code)
		eve.do(op.method, malformed, body).fails(status, code)
		theirs.problem.RequestID, nobodys.problem.RequestID = "", ""
		if theirs.problem.Detail != nobodys.problem.Detail {
			t.Errorf("%s: %q for what is another's, %q for what is not there", op.ID, theirs.problem.Detail, nobodys.problem.Detail)
		}
	}
	if walked < 12 {
		t.Errorf("only %d routes were walked", walked)
	}
	var after Session
	if ada.do("GET", "/sessions/"+string(session.ID), nil).into(200, &after); after.DesiredState != streamspace.DesiredRunning {
		t.Error("another user changed the session")
	}
	home := string(session.HomeID)
	eve.do("POST", "/sessions", CreateSessionRequest{Template: "terminal", Home: &home}).fails(404, streamspace.CodeNotFound)
	for _, op := range doc.operations { // and administrators' routes are none of hers
		if op.Tags[0] == "users" || op.Tags[0] == "audit" {
			path, body := doc.request(op, hers)
			eve.do(op.method, path, body).fails(403, streamspace.CodeForbidden)
		}
	}
}

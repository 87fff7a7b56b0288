package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/streamspace/streamspace"
)

// refusal is an answer before the upgrade, as an error.
type refusal struct {
	status int
	code   streamspace.Code
	detail string        // for people; holds nothing of the ticket
	retry  time.Duration // when set, the Retry-After
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s", r.code, r.detail) }

// problem is RFC 9457's body with our two extension members.
type problem struct {
	Type      string           `json:"type"`
	Title     string           `json:"title"`
	Status    int              `json:"status"`
	Detail    string           `json:"detail,omitempty"`
	Code      streamspace.Code `json:"code"`
	RequestID string           `json:"requestId"`
}

func (r *refusal) write(w http.ResponseWriter, requestID string) {
	body, err := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(r.status), Status: r.status,
		Detail: r.detail, Code: r.code, RequestID: requestID,
	})
	if err != nil { // strings and an int always marshal
		http.Error(w, string(r.code), r.status)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	if r.retry > 0 {
		header.Set("Retry-After", strconv.Itoa(int(r.retry.Round(time.Second).Seconds())))
	}
	w.WriteHeader(r.status)
	w.Write(body)
}

package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/streamspace/streamspace"
)

// Problem is every error answer: RFC 9457 problem details with two members of
// our own, code for programs and requestId for whoever reads the log.
type Problem struct {
	Type      string           `json:"type" enum:"about:blank" doc:"Always about:blank: code tells the kind of problem."`
	Title     string           `json:"title" doc:"The HTTP status in words." example:"Conflict"`
	Status    int              `json:"status" doc:"The HTTP status code." example:"409"`
	Detail    string           `json:"detail" doc:"What happened and what to do, for people."`
	Code      streamspace.Code `json:"code" doc:"What happened, for programs."`
	RequestID string           `json:"requestId" doc:"Finds the request in the server's log."`
	Errors    []ProblemField   `json:"errors,omitempty" nullable:"false" doc:"What is wrong where, when the request is malformed."`

	retryAfter time.Duration // sent as Retry-After when not zero
}

// ProblemField is one mistake in a request. The offending value is not sent
// back: it may be a password.
type ProblemField struct {
	Location string `json:"location" doc:"Where, e.g. body.name or query.limit." example:"body.name"`
	Message  string `json:"message" doc:"What is wrong there."`
}

// Error makes a problem an error, so that handlers return it.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Detail }

// GetStatus and the two methods below are how huma sends an error.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is RFC 9457 section 3.
func (p *Problem) ContentType(string) string { return problemType }

// GetHeaders adds Retry-After.
func (p *Problem) GetHeaders() http.Header {
	if p.retryAfter <= 0 {
		return nil
	}
	seconds := int64((p.retryAfter + time.Second - 1) / time.Second)
	return http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}}
}

const problemType = "application/problem+json"

var _ huma.StatusError = (*Problem)(nil)

// statusOf is the one table of codes and statuses.
var statusOf = map[streamspace.Code]int{
	streamspace.CodeInvalid:         http.StatusUnprocessableEntity,
	streamspace.CodeUnauthenticated: http.StatusUnauthorized,
	streamspace.CodeForbidden:       http.StatusForbidden,
	streamspace.CodeCSRF:            http.StatusForbidden,
	streamspace.CodeOriginForbidden: http.StatusForbidden,
	streamspace.CodeNotFound:        http.StatusNotFound,
	streamspace.CodeConflict:        http.StatusConflict,
	streamspace.CodeThrottled:       http.StatusTooManyRequests,
	streamspace.CodeTooLarge:        http.StatusRequestEntityTooLarge,
	streamspace.CodeNotInstalled:    http.StatusUnprocessableEntity,
	streamspace.CodeUnavailable:     http.StatusServiceUnavailable,
	streamspace.CodeInternal:        http.StatusInternalServerError,
}

// problem returns an error answer with the code's own status.
func problem(code streamspace.Code, detail string) *Problem {
	status, ok := statusOf[code]
	if !ok {
		status = http.StatusInternalServerError
	}
	return problemStatus(status, code, detail)
}

func problemStatus(status int, code streamspace.Code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

// notFound is the answer for what does not exist and for what the caller may
// not see: one text for both, so that ids cannot be probed.
func notFound(what string) *Problem {
	return problem(streamspace.CodeNotFound, "There is no such "+what+".")
}

// invalid is the answer for one malformed member.
func invalid(location, message string) *Problem {
	p := problem(streamspace.CodeInvalid, "The request is not valid: "+message+".")
	p.Errors = []ProblemField{{Location: location, Message: message}}
	return p
}

// codeOfStatus names the statuses that huma itself answers with.
func codeOfStatus(status int) streamspace.Code {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return streamspace.CodeTooLarge
	case http.StatusNotFound:
		return streamspace.CodeNotFound
	case http.StatusInternalServerError:
		return streamspace.CodeInternal
	}
	return streamspace.CodeInvalid // 400, 405, 406, 408, 415, 422
}

// fromHuma turns huma's own error into ours, without the offending values.
func fromHuma(model *huma.ErrorModel) *Problem {
	p := problemStatus(model.Status, codeOfStatus(model.Status), "The request is not valid: "+model.Detail+".")
	switch model.Status {
	case http.StatusInternalServerError:
		p.Detail = internalDetail
	case http.StatusRequestEntityTooLarge:
		p.Detail = "The request body is larger than " + strconv.Itoa(maxBodyBytes>>10) + " KiB."
	}
	for _, detail := range model.Errors {
		var field *huma.ErrorDetail
		if !errors.As(detail, &field) || model.Status >= http.StatusInternalServerError {
			continue
		}
		p.Errors = append(p.Errors, ProblemField{Location: field.Location, Message: fieldMessage(field)})
	}
	return p
}

// fieldMessage keeps the decoder's quoting of what was sent out of the answer.
func fieldMessage(field *huma.ErrorDetail) string {
	if field.Location == "body" && field.Value != nil {
		if _, raw := field.Value.(string); raw {
			return "is not the JSON that is expected here"
		}
	}
	return field.Message
}

const internalDetail = "Something went wrong on our side. The request id finds it in the server's log."

// Package problem shows errors to callers, as RFC 9457 problem documents, and reads them back.
package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// ContentType is the media type of a problem document (RFC 9457, section 3).
const ContentType = "application/problem+json"

// TypeBase precedes Code in the type URI, where a person finds what the code means.
const TypeBase = "https://github.com/lambda-tokenizer/lambda-tokenizer/blob/main/docs/api.md#"

// Document is a problem document. Code and Field are extension members.
type Document struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Code names the kind of problem for programs, and is the fragment of Type.
	Code string `json:"code"`
	// Field names the member of the request that is wrong, if one is.
	Field string `json:"field,omitempty"`
	// RetryAfter says when to try again, in whole seconds; 0 if that is not known. An answer has it as a header, too.
	RetryAfter int64 `json:"retry_after,omitempty"`
}

// Of returns the document for err. For an error that is not of package failure it says only that something went wrong.
func Of(err error) Document {
	e, ok := errors.AsType[*failure.Error](err)
	if !ok {
		e = &failure.Error{Kind: failure.Internal}
	}
	return Document{
		Type: TypeBase + e.Kind.Code, Title: e.Kind.Title, Status: e.Kind.Status, Detail: e.Detail,
		Code: e.Kind.Code, Field: e.Field,
		RetryAfter: int64((e.RetryAfter + time.Second - 1) / time.Second), // never earlier than asked
	}
}

// Parse reads a document back from the body of an answer. It reports false if the body is no document.
func Parse(body []byte) (Document, bool) {
	var d Document
	if json.Unmarshal(body, &d) != nil || d.Code == "" {
		return Document{}, false
	}
	return d, true
}

// Err returns the error that the document was made of.
func (d Document) Err() *failure.Error {
	return &failure.Error{
		Kind: failure.KindOf(d.Code), Field: d.Field, Detail: d.Detail,
		RetryAfter: time.Duration(d.RetryAfter) * time.Second,
	}
}

// Header returns the HTTP headers that go with the document.
func (d Document) Header() http.Header {
	h := http.Header{"Content-Type": {ContentType}, "Cache-Control": {"no-store"}}
	if d.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(d.RetryAfter, 10))
	}
	return h
}

// Body returns the document as JSON.
func (d Document) Body() []byte {
	b, err := json.Marshal(d)
	if err != nil { // strings and an int always marshal
		panic(err)
	}
	return b
}

// Write answers a request with the document.
func (d Document) Write(w http.ResponseWriter) {
	for k, v := range d.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(d.Status)
	_, _ = w.Write(d.Body())
}

// Package problem writes and reads errors as RFC 9457 problem documents.
//
// The text in a document is always ours and fixed: no input, no upstream error.
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
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
	// RetryAfter says when to try again; it travels as a header.
	RetryAfter time.Duration `json:"-"`
}

// New returns a document of the given code, its type URI filled in.
func New(status int, code, title, detail, field string) Document {
	return Document{Type: TypeBase + code, Title: title, Status: status, Detail: detail, Code: code, Field: field}
}

// Header returns the HTTP headers that go with the document.
func (d Document) Header() http.Header {
	h := http.Header{"Content-Type": {ContentType}, "Cache-Control": {"no-store"}}
	if d.RetryAfter > 0 {
		seconds := int64((d.RetryAfter + time.Second - 1) / time.Second) // never earlier than asked
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
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

// Package audit records what the extension did. It writes one line of JSON for each operation to standard output, and
// Lambda writes it to the function's log group.
//
// An event says who asked for what and how it ended. It holds no card, no token, no key and no text of an upstream
// service. A function with the layer could write such lines itself: the record that it cannot forge is that of
// CloudTrail, for KMS and for the tables' data events.
package audit

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// Event is one finished operation. docs/api.md is its schema. Empty members are left out.
type Event struct {
	// Operation is tokenize, seal, detokenize, validate, metadata or revoke.
	Operation string
	// Outcome is "ok" or the code of the problem document.
	Outcome string
	// Detail is the problem's fixed text.
	Detail string
	// RequestID is the caller's name for the request, or one that was made up.
	RequestID string
	// Item is the position of the operation in its batch, from 0; nil outside of a batch.
	Item *int
	// Ref names the token, as it does in the vault's row and in CloudTrail. It opens nothing.
	Ref string
	// Type and Purpose are the data's, once known.
	Type, Purpose string
	// Redaction is what a detokenize was asked to show.
	Redaction string
	// Lookup says that a tokenize looked into the index: "deterministic" or "idempotency".
	Lookup string
	// Finding names something that the security team should look at, although the caller is told nothing special:
	// "revoked-row-returned" is a row that exists although its token was revoked.
	Finding string
	// Reason is what the caller gave as such.
	Reason   string
	Duration time.Duration
}

// Log writes events and notices. It is safe for concurrent use.
type Log struct {
	lines  *timely
	notice slog.Handler
	level  slog.Level // of notices
	actor  string

	mu      sync.Mutex
	account string
}

// New returns a Log that writes to w. Level is from which severity on notices are written; events are always written.
// Actor is the function on whose behalf the extension works. A w that blocks, such as a pipe that nobody reads, keeps a
// caller half a second at most.
func New(w io.Writer, level slog.Level, actor string) *Log {
	lines := newTimely(w, writeLimit)
	return &Log{
		lines:  lines,
		notice: slog.NewJSONHandler(lines, &slog.HandlerOptions{Level: level}),
		level:  level,
		actor:  actor,
	}
}

// SetAccount says in which AWS account the function is, which Lambda tells at registration.
func (l *Log) SetAccount(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.account = id
}

// Record writes an event: INFO for an operation that succeeded, WARN for one that was refused, ERROR for a finding. If
// it returns an error, the event was not recorded in time, and what it is about must not be released. It may be
// recorded later.
func (l *Log) Record(e Event) error { return l.RecordBy(e, time.Now().Add(writeLimit)) }

// RecordBy is Record for one of many events that an answer waits for: it returns at the deadline at the latest.
func (l *Log) RecordBy(e Event, deadline time.Time) error {
	l.mu.Lock()
	account := l.account
	l.mu.Unlock()
	now := time.Now()
	return l.lines.write(e.line(now, l.actor, account), min(writeLimit, deadline.Sub(now)))
}

// line is an event as it is written. There is one for each operation, so it is built without reflection.
func (e Event) line(now time.Time, actor, account string) []byte {
	level := "INFO"
	switch {
	case e.Finding != "":
		level = "ERROR"
	case e.Outcome != "ok":
		level = "WARN"
	}
	line := append(make([]byte, 0, 512), `{"time":"`...)
	line = now.UTC().AppendFormat(line, time.RFC3339Nano)
	line = append(line, `","level":"`+level+`","msg":"tokenizer"`...)
	for _, member := range [...]struct{ name, value string }{
		{"operation", e.Operation}, {"outcome", e.Outcome}, {"detail", e.Detail}, {"actor", actor},
		{"account", account},
		{"request_id", e.RequestID}, {"ref", e.Ref}, {"type", e.Type}, {"purpose", e.Purpose},
		{"redaction", e.Redaction},
		{"lookup", e.Lookup}, {"finding", e.Finding}, {"reason", e.Reason},
	} {
		if member.value != "" {
			line = wirejson.AppendString(wirejson.AppendName(line, member.name), member.value)
		}
	}
	if e.Item != nil {
		line = strconv.AppendInt(wirejson.AppendName(line, "item"), int64(*e.Item), 10)
	}
	line = strconv.AppendFloat(wirejson.AppendName(line, "duration_ms"), float64(e.Duration.Microseconds())/1000, 'f',
		-1, 64)
	return append(line, "}\n"...)
}

// Notice writes a fixed text about the extension itself, such as a setting that is wrong.
func (l *Log) Notice(ctx context.Context, level slog.Level, text string, attrs ...slog.Attr) {
	if level < l.level {
		return
	}
	line := slog.NewRecord(time.Now().UTC(), level, text, 0)
	line.AddAttrs(attrs...)
	_ = l.notice.Handle(ctx, line) // the extension does not depend on it
}

// Package audit records what the extension did: one JSON line per operation on standard output, from where Lambda takes
// it to the function's log group.
//
// An event says who asked for what and how it ended. It holds no card, no token, no key and no text of an upstream
// service. A function with the layer could write such lines itself: the record that it cannot forge is CloudTrail's, of
// KMS and of the table's data events.
package audit

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// Event is one finished operation.
type Event struct {
	// Operation is tokenize, seal or detokenize.
	Operation string
	// Outcome is "ok" or the code of the problem document.
	Outcome string
	// Detail is the problem's fixed text.
	Detail string
	// Redaction is what a detokenize was asked to show.
	Redaction string
	Duration  time.Duration
}

// Log writes events. It is safe for concurrent use.
type Log struct{ slog *slog.Logger }

// New returns a Log that writes to w what is at least as severe as level. Successful operations are INFO, refused ones
// WARN.
func New(w io.Writer, level slog.Level) *Log {
	return &Log{slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))}
}

// Record writes e.
func (l *Log) Record(ctx context.Context, e Event) {
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("operation", e.Operation), slog.String("outcome", e.Outcome)}
	if e.Outcome != "ok" {
		level = slog.LevelWarn
	}
	for _, a := range []slog.Attr{slog.String("detail", e.Detail), slog.String("redaction", e.Redaction)} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	attrs = append(attrs, slog.Float64("duration_ms", float64(e.Duration.Microseconds())/1000))
	l.slog.LogAttrs(ctx, level, "tokenizer", attrs...)
}

// Notice writes a fixed text about the extension itself, such as a setting that is wrong.
func (l *Log) Notice(ctx context.Context, level slog.Level, text string, attrs ...slog.Attr) {
	l.slog.LogAttrs(ctx, level, text, attrs...)
}

package page

import (
	"fmt"
	"net/http"
	"time"
)

const (
	quiet     = 200 * time.Millisecond // between two messages
	heartbeat = 3 * time.Second
	patience  = 5 * time.Second // for a browser that does not read
	pause     = 3 * time.Second // before a window asks again that may not listen yet
)

// events tells a browser that something changed, as server-sent events. A message has a number and nothing else: the
// browser asks for the parts that it shows. However much happens, a browser gets a few messages a second, and one that
// does not read is dropped. A window that is one too many is told so, and asks again after a pause.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "retry: %d\nevent: busy\ndata: %d\n\n", pause.Milliseconds(), maxStreams)
		return
	}
	changed, stop := p.config.Recorder.Subscribe()
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	send := func(format string, args ...any) bool {
		if control.SetWriteDeadline(time.Now().Add(patience)) != nil {
			return false
		}
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for send("data: %d\n\n", p.config.Recorder.Seq()) {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(quiet):
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-beat.C:
		}
	}
}

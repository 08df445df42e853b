package lambdahost

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// extensionRegister subscribes an extension to events. It is known by its file name.
func (e *environment) extensionRegister(w http.ResponseWriter, r *http.Request) {
	var body struct{ Events []string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&body); err != nil {
		forbid(w, "InvalidRequestFormat", "the body must be JSON like {\"events\":[\"INVOKE\",\"SHUTDOWN\"]}")
		return
	}
	for _, event := range body.Events {
		if event != "INVOKE" && event != "SHUTDOWN" {
			forbid(w, "Extension.InvalidEventType", fmt.Sprintf("%q: only INVOKE and SHUTDOWN exist", event))
			return
		}
	}
	name := r.Header.Get("Lambda-Extension-Name")
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.extensions, func(x *extension) bool { return x.name == name })
	switch {
	case i < 0 && e.registered:
		forbid(w, "Extension.RegistrationClosed", "Extension registration closed already")
	case i < 0:
		forbid(w, "Extension.InvalidExtensionName", fmt.Sprintf(
			"%q is not the name of a file in /opt/extensions (internal extensions are not simulated)", name))
	case e.extensions[i].state != extensionStarted:
		forbidExtension(w, e.extensions[i], extensionRegistered)
	default:
		x := e.extensions[i]
		x.invoke, x.shutdown = slices.Contains(body.Events, "INVOKE"), slices.Contains(body.Events, "SHUTDOWN")
		x.state = extensionRegistered
		e.announce()
		w.Header().Set("Lambda-Extension-Identifier", x.id)
		about := map[string]string{"functionName": e.cfg.Name, "functionVersion": version, "handler": e.cfg.Handler}
		for feature := range strings.SplitSeq(r.Header.Get("Lambda-Extension-Accept-Feature"), ",") {
			if strings.TrimSpace(feature) == "accountId" {
				about["accountId"] = e.cfg.AccountID
			}
		}
		writeJSON(w, http.StatusOK, about)
	}
}

// extensionNext gives an extension its next event. By asking for it, the extension says that it is done with the one
// before.
func (e *environment) extensionNext(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	x := e.caller(w, r)
	if x != nil && x.state != extensionRegistered && x.state != extensionRunning {
		forbidExtension(w, x, extensionReady)
		x = nil
	}
	if x == nil {
		e.mu.Unlock()
		return
	}
	x.state = extensionReady
	e.announce()
	e.mu.Unlock()

	var event any
	if e.await(r.Context(), func() bool {
		if x.event == nil {
			return false
		}
		event, x.event, x.state = x.event, nil, extensionRunning
		return true
	}) != nil {
		return // the extension hung up
	}
	w.Header().Set("Lambda-Extension-Event-Identifier", uuid.NewString())
	writeJSON(w, http.StatusOK, event)
}

// extensionError takes an extension's report that it is about to exit because of an error. The environment fails with
// kind when the extension exits. As on Lambda, init or the invocation goes on until then.
func (e *environment) extensionError(kind string, allowed ...extensionState) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		x := e.caller(w, r)
		switch {
		case x == nil:
		case r.Header.Get("Lambda-Extension-Function-Error-Type") == "":
			forbid(w, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
		case !slices.Contains(allowed, x.state):
			forbidExtension(w, x, extensionFailed)
		default:
			x.state, e.announced = extensionFailed, kind
			writeJSON(w, http.StatusAccepted, accepted())
		}
	}
}

// caller returns the extension that sent r. If there is none, it answers with an error and returns nil. Its caller
// holds e.mu.
func (e *environment) caller(w http.ResponseWriter, r *http.Request) *extension {
	id := r.Header.Get("Lambda-Extension-Identifier")
	i := slices.IndexFunc(e.extensions, func(x *extension) bool { return x.id == id })
	switch {
	case id == "":
		forbid(w, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
	case uuid.Validate(id) != nil:
		forbid(w, "Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
	case i < 0:
		forbid(w, "Extension.UnknownExtensionIdentifier", "Unknown extension "+id)
	default:
		return e.extensions[i]
	}
	return nil
}

func forbid(w http.ResponseWriter, kind, message string) {
	writeError(w, http.StatusForbidden, kind, message)
}

func forbidExtension(w http.ResponseWriter, x *extension, to extensionState) {
	forbid(w, "Extension.InvalidExtensionState",
		fmt.Sprintf("State transition from %s to %s failed for extension %s. Error: State transition is not allowed",
			x.state, to, x.name))
}

func writeError(w http.ResponseWriter, code int, kind, message string) {
	writeJSON(w, code, apiError{kind, message})
}

// accepted answers reports, and the function's answers.
func accepted() map[string]string { return map[string]string{"status": "OK"} }

// writeJSON ignores errors: if the client is gone, there is nobody left to tell.
func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

// Package invokeapi serves Invoke of Lambda's API, so that `aws lambda invoke --endpoint-url` and the SDKs can call the
// functions of a local run.
//
// Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
package invokeapi

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
)

// maxEvent is Lambda's limit for an event, in bytes.
const maxEvent = 6 << 20

// System has functions.
type System interface {
	Function(called string) (*cloud.Function, error)
	Invoke(ctx context.Context, f *cloud.Function, payload []byte) (answer []byte, failed bool, err error)
}

// New returns the API. It identifies nobody, so it refuses what a web page in a browser on this machine could send.
func New(system System) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", func(w http.ResponseWriter, r *http.Request) {
		invoke(system, w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "UnknownOperationException", "only Invoke is served here")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		ip := net.ParseIP(host)
		if err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) || r.Header.Get("Origin") != "" {
			refuse(w, http.StatusForbidden, "AccessDeniedException", "only programs of this machine may call, by its "+
				"loopback address, and no web page")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func invoke(system System, w http.ResponseWriter, r *http.Request) {
	function, err := system.Function(r.PathValue("name"))
	if err != nil {
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", err.Error())
		return
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", "the event has more than 6 MiB")
		return
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	if !json.Valid(payload) {
		refuse(w, http.StatusBadRequest, "InvalidRequestContentException", "the event is not JSON")
		return
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	switch r.Header.Get("X-Amz-Invocation-Type") {
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	case "Event":
		go func() { _, _, _ = system.Invoke(context.WithoutCancel(r.Context()), function, payload) }()
		w.WriteHeader(http.StatusAccepted)
	default:
		answer(system, w, r, function, payload)
	}
}

func answer(system System, w http.ResponseWriter, r *http.Request, function *cloud.Function, payload []byte) {
	result, failed, err := system.Invoke(r.Context(), function, payload)
	if err != nil {
		refuse(w, http.StatusBadGateway, "InvalidRuntimeException", function.Path+": "+err.Error())
		return
	}
	if failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(result) // if the caller is gone, there is nobody to tell
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"Type": "User", "Message": message})
}

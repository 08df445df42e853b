package cloud

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
)

// State is what the versions of an app share when one replaces the other: the services with everything in them, and the
// addresses of the APIs. One version is deployed at a time.
type State struct {
	account, region string

	services *services
	servers  servers           // of the APIs
	made     map[string]made   // what is in the services, by its type and name
	aliases  map[string]string // keys by the alias
	fronts   map[string]*front // of the APIs, by their paths
	replaced []string          // what an earlier version had, since the last deployment began
}

// made is a resource in a service.
type made struct {
	definition string
	created    created
}

// NewState starts the services for versions of an app, which all are deployed with the same Options but for the
// assembly.
func NewState(o Options) (*State, error) {
	services, err := startServices(o)
	if err != nil {
		return nil, err
	}
	return &State{
		account: o.Account, region: o.Region, services: services, made: map[string]made{},
		aliases: map[string]string{}, fronts: map[string]*front{},
	}, nil
}

// Close ends APIs and services. The versions must have been closed.
func (s *State) Close() {
	s.servers.close()
	s.services.servers.close()
}

// once makes something, or finds what an earlier version has made by the same definition. If the definition is another
// one, create gets what is there.
func (s *State) once(what string, definition any, create func(before *created) (created, error)) (created, error) {
	b, err := json.Marshal(definition)
	if err != nil {
		return created{}, err
	}
	var before *created
	if found, ok := s.made[what]; ok {
		if found.definition == string(b) {
			return found.created, nil
		}
		before = &found.created
		delete(s.made, what) // it is gone, even if nothing takes its place
	}
	result, err := create(before)
	if err == nil {
		s.made[what] = made{string(b), result}
	}
	switch {
	case before != nil && err == nil:
		s.replaced = append(s.replaced, "made anew, and empty: "+what)
	case before != nil:
		s.replaced = append(s.replaced, "gone: "+what)
	}
	return result, err
}

// front is the address of an API, which stays while one version of the app replaces the other.
type front struct {
	id      string // of the API
	url     *url.URL
	current atomic.Pointer[served]
}

// served is an API of a version.
type served struct {
	version *Cloud
	handler http.Handler
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for {
		s := f.current.Load()
		switch {
		case s == nil:
			sayGone(w, http.StatusNotFound, "the app does not have this API any more")
			return
		case s.version.begin():
			defer s.version.end()
			s.handler.ServeHTTP(w, r)
			return
		case s == f.current.Load(): // it has ended, and no other version has replaced it since
			sayGone(w, http.StatusServiceUnavailable, "the app has ended")
			return
		}
	}
}

func sayGone(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"message":%q}`, message)
}

// front is that of an API, by its path.
func (s *State) front(path string) *front {
	if s.fronts[path] == nil {
		s.fronts[path] = &front{id: newID()}
	}
	return s.fronts[path]
}

// show lets the APIs of a version answer from now on, in place of those of the version before.
func (s *State) show(version *Cloud, apis map[string]http.Handler) {
	for path, f := range s.fronts {
		var now *served
		if handler := apis[path]; handler != nil {
			now = &served{version, handler}
		}
		f.current.Store(now)
	}
}

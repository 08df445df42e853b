package gateway

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// anyMethod is the method of a route that takes every method.
const anyMethod = "ANY"

// methods are those of REST APIs.
var methods = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// segment is a part of a route's path between two slashes.
type segment struct {
	text   string // the name of a parameter
	weight int    // how little it says: literals come before parameters
}

const (
	literal = iota
	parameter
	greedy // takes all that follows
)

// parameterForm is {name} or {name+}.
var parameterForm = regexp.MustCompile(`^\{([a-zA-Z0-9._:-]+)(\+?)\}$`)

// segments takes a path apart. It returns false for a parameter that is not a whole segment, for two of one name, and
// for {name+} before the end.
func segments(path string) ([]segment, bool) {
	parts := split(path)
	all := make([]segment, len(parts))
	names := map[string]bool{}
	for i, part := range parts {
		found := parameterForm.FindStringSubmatch(part)
		switch {
		case found == nil && strings.ContainsAny(part, "{}"):
			return nil, false
		case found == nil:
			all[i] = segment{part, literal}
			continue
		case found[2] != "" && i < len(parts)-1, names[found[1]]:
			return nil, false
		case found[2] != "":
			all[i] = segment{found[1], greedy}
		default:
			all[i] = segment{found[1], parameter}
		}
		names[found[1]] = true
	}
	return all, true
}

// split returns the parts of a path between slashes; none for the root. Slashes at the end do not count.
func split(path string) []string {
	path = strings.TrimPrefix(strings.TrimRight(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// match tells whether a route serves a method of a path, and with which parameters; they are nil for none. Parameters
// are as they were sent, percent-encoded.
func (r *route) match(method string, parts []string) (parameters map[string]string, ok bool) {
	if r.Method != method && (r.Method != anyMethod || !slices.Contains(methods, method)) {
		return nil, false
	}
	for i, s := range r.segments {
		switch {
		case i >= len(parts), s.weight != literal && parts[i] == "", s.weight == literal && parts[i] != s.text:
			return nil, false
		case s.weight == literal:
			continue
		case parameters == nil:
			parameters = map[string]string{}
		}
		if s.weight == greedy {
			parameters[s.text] = strings.Join(parts[i:], "/")
			return parameters, true
		}
		parameters[s.text] = parts[i]
	}
	return parameters, len(parts) == len(r.segments)
}

// compare puts the route first that says more. A request goes to the first route that has both its path and its method:
// a resource without the method leaves it to another one, as somebody has measured on AWS:
// https://github.com/ministackorg/ministack/pull/1423 and https://github.com/floci-io/floci/pull/3399
func compare(a, b *route) int {
	return cmp.Or(
		slices.CompareFunc(a.segments, b.segments, func(a, b segment) int {
			return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(a.text, b.text))
		}),
		cmp.Compare(methodWeight(a.Method), methodWeight(b.Method)))
}

func methodWeight(method string) int {
	if method == anyMethod {
		return 1
	}
	return 0
}

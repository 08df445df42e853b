package upstream

import (
	"bytes"
	"errors"
)

// errJSON is the error of a body that is no JSON object as the AWS clients write them.
var errJSON = errors.New("the body is not a JSON object")

// members calls f for each member of the object at the start of b, until f returns false. The value is raw JSON. It
// reads what AWS clients write, checks no more than it needs, and allocates nothing.
func members(b []byte, f func(name, value []byte) bool) error {
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return errJSON
	}
	for i = space(b, i+1); i < len(b) && b[i] != '}'; i = space(b, i) {
		if b[i] == ',' {
			i++
			continue
		}
		end := value(b, i)
		if b[i] != '"' || end < 0 {
			return errJSON
		}
		name := b[i+1 : end-1]
		if i = space(b, end); i >= len(b) || b[i] != ':' {
			return errJSON
		}
		i = space(b, i+1)
		if end = value(b, i); end < 0 {
			return errJSON
		}
		if !f(name, b[i:end]) {
			return nil
		}
		i = end
	}
	if i >= len(b) {
		return errJSON
	}
	return nil
}

// elements calls f for each element of the array that b is.
func elements(b []byte, f func(element []byte) bool) error {
	if len(b) == 0 || b[0] != '[' {
		return errJSON
	}
	for i := space(b, 1); i < len(b) && b[i] != ']'; i = space(b, i) {
		if b[i] == ',' {
			i++
			continue
		}
		end := value(b, i)
		if end < 0 {
			return errJSON
		}
		if !f(b[i:end]) {
			return nil
		}
		i = end
	}
	return nil
}

// member returns the raw value of one member of an object, or nil.
func member(b []byte, wanted string) (found []byte) {
	_ = members(b, func(name, value []byte) bool {
		if string(name) == wanted {
			found = value
		}
		return found == nil
	})
	return found
}

// text is the content of a JSON string, with its escapes as they are; nil for what is no string.
func text(b []byte) []byte {
	if len(b) < 2 || b[0] != '"' {
		return nil
	}
	return b[1 : len(b)-1]
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// value returns where the value that begins at i ends, or -1.
func value(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return quoted(b, i)
	case '{', '[':
		return nested(b, i)
	}
	for start := i; i <= len(b); i++ {
		if i == len(b) || bytes.IndexByte([]byte(",]} \n\t\r"), b[i]) >= 0 {
			if i == start {
				return -1
			}
			break
		}
	}
	return i
}

// quoted returns where the string that begins at i ends, or -1.
func quoted(b []byte, i int) int {
	for at := i + 1; ; {
		next := bytes.IndexByte(b[at:], '"')
		if next < 0 {
			return -1
		}
		at += next
		escapes := 0
		for b[at-1-escapes] == '\\' {
			escapes++
		}
		at++
		if escapes%2 == 0 {
			return at
		}
	}
}

// nested returns where the object or array that begins at i ends, or -1.
func nested(b []byte, i int) int {
	for depth := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			end := quoted(b, i)
			if end < 0 {
				return -1
			}
			i = end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

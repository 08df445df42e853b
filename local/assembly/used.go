package assembly

import (
	"fmt"
	"strings"
)

// The bounds of what is resolved at once. A template of 1 MB, which is the most that CloudFormation accepts, needs far
// less, but a few kilobytes could ask for what fits in no memory.
const (
	maxText    = 16 << 20 // bytes of all texts that functions make
	maxOutputs = 100_000  // of stacks
)

// used is what the resolution of a value has used of these bounds.
type used struct{ text, outputs int }

// byCall is called before a function makes something of its argument.
func (u *used) byCall(name string, argument any) error {
	size := 0
	switch arguments, _ := argument.([]any); name {
	case "Fn::Join":
		size = sizeOf(argument)
		if len(arguments) == 2 {
			list, _ := arguments[1].([]any)
			by, _ := arguments[0].(string)
			size += len(by) * len(list)
		}
	case "Fn::Split":
		if len(arguments) == 2 {
			by, _ := arguments[0].(string)
			text, _ := arguments[1].(string)
			size = len(text) + elementSize*strings.Count(text, by)
		}
	case "Fn::Base64", "Fn::ToJsonString":
		size = sizeOf(argument)
	}
	if u.text += size; u.text > maxText {
		return fmt.Errorf("the texts that this is made of are longer than %d MB in total, and no template needs that",
			maxText>>20)
	}
	return nil
}

// byOutput is called before an output is resolved.
func (u *used) byOutput() error {
	if u.outputs++; u.outputs > maxOutputs {
		return fmt.Errorf("it is made of more than %d outputs of stacks, and no app needs that", maxOutputs)
	}
	return nil
}

// elementSize is about what an element takes beside its text.
const elementSize = 16

// sizeOf is about the number of bytes that a value takes as a text.
func sizeOf(v any) int {
	size := elementSize
	switch v := v.(type) {
	case string:
		size += len(v)
	case []any:
		for _, element := range v {
			size += sizeOf(element)
		}
	case map[string]any:
		for name, member := range v {
			size += len(name) + sizeOf(member)
		}
	}
	return size
}

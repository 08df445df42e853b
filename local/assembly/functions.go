package assembly

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"strconv"
)

// reference is a dynamic reference: {{resolve:ssm:/name}}.
var reference = regexp.MustCompile(`\{\{resolve:([^}]*)\}\}`)

// ofParameter takes the name out of a reference to an SSM parameter, which may state a version.
var ofParameter = regexp.MustCompile(`^ssm:([^:]+)(?::[0-9]+)?$`)

// dynamic replaces the dynamic references in a text.
func (e evaluation) dynamic(text string) (any, error) {
	var failed error
	text = reference.ReplaceAllStringFunc(text, func(match string) string {
		content := reference.FindStringSubmatch(match)[1]
		if name := ofParameter.FindStringSubmatch(content); name != nil {
			if value, made := e.parameters[name[1]]; made {
				return value
			}
		}
		if e.Unknown != nil && !e.ofCondition {
			return e.Unknown(e.stack, "", match)
		}
		failed = errors.New("dynamic references ({{resolve:…}}) are not supported, but for SSM parameters that an earlier " +
			"stack makes")
		return match
	})
	return text, failed
}

// findInMap is Fn::FindInMap: a map, two keys, and perhaps a default.
func (e evaluation) findInMap(argument any) (any, error) {
	arguments, _ := argument.([]any)
	if len(arguments) != 3 && len(arguments) != 4 {
		return nil, errors.New("want a mapping and two keys")
	}
	var names [3]string
	for i := range names {
		var err error
		if names[i], err = scalar(arguments[i]); err != nil {
			return nil, err
		}
	}
	if value, ok := e.stack.Template.Mappings[names[0]][names[1]][names[2]]; ok {
		return value, nil
	}
	if len(arguments) == 4 {
		options, _ := arguments[3].(map[string]any)
		if value, ok := options["DefaultValue"]; ok {
			return value, nil
		}
	}
	return nil, fmt.Errorf("the mapping %q has no value for %q and %q", names[0], names[1], names[2])
}

// convert is an intrinsic function that makes something else of its argument.
func convert(name string, argument any) (any, error) {
	switch name {
	case "Fn::Base64":
		text, err := scalar(argument)
		return base64.StdEncoding.EncodeToString([]byte(text)), err
	case "Fn::Length":
		list, ok := argument.([]any)
		if !ok {
			return nil, errors.New("want a list")
		}
		return json.Number(strconv.Itoa(len(list))), nil
	case "Fn::ToJsonString":
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		err := encoder.Encode(argument)
		return string(bytes.TrimSpace(text.Bytes())), err
	}
	return cidr(argument)
}

// maxBlocks is how many blocks Fn::Cidr makes at most.
const maxBlocks = 256

// cidr is Fn::Cidr: it divides a block of addresses. Its arguments are the block, how many parts to make, and how many
// bits of an address are left to each.
func cidr(argument any) (any, error) {
	arguments, _ := argument.([]any)
	if len(arguments) != 2 && len(arguments) != 3 {
		return nil, errors.New("want a block of addresses, a count and a number of bits")
	}
	numbers := [3]int{2: 8} // the bits are 8 if they are not stated
	for i := 1; i < len(arguments); i++ {
		text, err := scalar(arguments[i])
		if err != nil {
			return nil, err
		}
		if numbers[i], err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("%q is not a number", text)
		}
	}
	text, err := scalar(arguments[0])
	if err != nil {
		return nil, err
	}
	block, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a block of addresses", text)
	}
	return divide(block.Masked(), numbers[1], numbers[2])
}

func divide(block netip.Prefix, count, bits int) (any, error) {
	address := block.Addr().AsSlice()
	length := len(address)*8 - bits
	free := length - block.Bits() // bits that number the parts
	if count < 1 || count > maxBlocks || bits < 0 || free < 0 || free < 8 && count > 1<<free {
		return nil, fmt.Errorf("%s has no room for %d blocks of %d bits", block, count, bits)
	}
	first := new(big.Int).SetBytes(address)
	parts := make([]any, count)
	for i := range parts {
		offset := new(big.Int).Lsh(big.NewInt(int64(i)), uint(bits))
		start, _ := netip.AddrFromSlice(offset.Add(offset, first).FillBytes(address))
		parts[i] = netip.PrefixFrom(start, length).String()
	}
	return parts, nil
}

package tokenizerlayer

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
)

// Architecture is a Lambda instruction set, by AWS's name for it. The zero value means [ARM64].
type Architecture string

// The architectures of Lambda. A function that states none has [X86_64].
const (
	ARM64  Architecture = "arm64"
	X86_64 Architecture = "x86_64"
)

// orDefault is a with the zero value resolved.
func (a Architecture) orDefault() Architecture {
	if a == "" {
		return ARM64
	}
	return a
}

// goarch is Go's name for the instruction set.
func (a Architecture) goarch() (string, error) {
	switch a.orDefault() {
	case ARM64:
		return "arm64", nil
	case X86_64:
		return "amd64", nil
	}
	return "", fmt.Errorf("architecture: got %q, want %q or %q", a, ARM64, X86_64)
}

// constructID is the architecture as a part of construct ids, which become logical ids.
func (a Architecture) constructID() string {
	if a == X86_64 {
		return "X8664"
	}
	return "Arm64"
}

// Lambda is the CDK's value for the instruction set.
func (a Architecture) Lambda() awslambda.Architecture {
	return awslambda.Architecture_Custom(new(string(a.orDefault())), nil)
}

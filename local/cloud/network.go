package cloud

import (
	"context"
	"fmt"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
)

// networks knows where functions call from. Their calls do not take another way, but carry what policies look at.
type networks struct {
	authorizer *authorizer.Authorizer
	vpcs       map[string]string // ids by the subnet's
}

func (n *networks) createSubnet(ctx context.Context, r *resource) (created, error) {
	made, err := createNamed(ctx, r)
	n.vpcs[made.ref] = r.Str("VpcId")
	return made, err
}

// createEndpoint opens an endpoint to the service at the end of its name: com.amazonaws.us-east-1.kms.
func (n *networks) createEndpoint(ctx context.Context, r *resource) (created, error) {
	name := r.Str("ServiceName")
	n.authorizer.AddEndpoint(r.Str("VpcId"), name[strings.LastIndex(name, ".")+1:])
	return createNamed(ctx, r)
}

// vpcOf is the VPC of a function's subnets; "" without any.
func (n *networks) vpcOf(subnets []string) (vpc string, err error) {
	for _, subnet := range subnets {
		of, known := n.vpcs[subnet]
		if !known || vpc != "" && vpc != of {
			return "", fmt.Errorf("subnet %s is not of this app's, or of another VPC than the function's others",
				subnet)
		}
		vpc = of
	}
	return vpc, nil
}

package api

import "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

// DynamoDB converts the item to the SDK's types.
func (i Item) DynamoDB() map[string]types.AttributeValue {
	out := make(map[string]types.AttributeValue, len(i))
	for name, v := range i {
		switch {
		case v.S != nil:
			out[name] = &types.AttributeValueMemberS{Value: *v.S}
		case v.N != nil:
			out[name] = &types.AttributeValueMemberN{Value: *v.N}
		default:
			out[name] = &types.AttributeValueMemberB{Value: v.B}
		}
	}
	return out
}

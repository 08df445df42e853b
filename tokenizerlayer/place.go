package tokenizerlayer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
)

// place is an account and a region. What is known at deployment only is a CDK token or "".
type place struct{ account, region string }

// differs tells whether two values are known to differ.
func differs(a, b string) bool {
	return a != "" && b != "" && a != b && !*awscdk.Token_IsUnresolved(a) && !*awscdk.Token_IsUnresolved(b)
}

// placeOfARN is where the resource of an ARN is; nothing is known of an ARN that is a token.
func placeOfARN(arn string) place {
	if parts := strings.Split(arn, ":"); len(parts) >= 6 {
		return place{parts[4], parts[3]}
	}
	return place{}
}

// placeOfStack is where a stack will be.
func placeOfStack(stack awscdk.Stack) place { return place{*stack.Account(), *stack.Region()} }

// placeOfVault is where the tables of a vault are. The CDK takes an imported table to be where the stack is that
// imports it; its ARN may say otherwise.
func placeOfVault(vault IVault) place {
	if p := placeOfARN(*vault.Table().TableArn()); p != (place{}) {
		return p
	}
	env := vault.Table().Env()
	return place{*env.Account, *env.Region}
}

// checkPlace are the errors about a vault out of the reach of what is at user: what says what this is.
func checkPlace(vault IVault, what string, user place) (problems []error) {
	at := placeOfVault(vault)
	for _, one := range []struct{ kind, vault, user string }{
		{"account", at.account, user.account}, {"region", at.region, user.region},
	} {
		if differs(one.vault, one.user) {
			problems = append(problems, fmt.Errorf("vault: got one in %s %s, but %s is in %s, where the extension "+
				"looks for its tables: use a vault there", one.kind, one.vault, what, one.user))
		}
	}
	return problems
}

// checkGrantee ends the synthesis if the grantee is of another account than the vault. Its rights would be worth
// nothing: no policy of keys and tables names principals of other accounts.
func (g Grants) checkGrantee(grantee awsiam.IGrantable) {
	account := accountOf(grantee)
	if account == nil {
		return
	}
	if problems := checkPlace(g.vault, "the grantee", place{account: *account}); len(problems) > 0 {
		g.vault.Node().AddValidation(&refusal{errors.Join(problems...)})
	}
}

// checkOnePlace is the error about resources of one vault that are in different places.
func checkOnePlace(arns []table) (problems []error) {
	first := placeOfARN(arns[0].value)
	for _, arn := range arns[1:] {
		at := placeOfARN(arn.value)
		if differs(first.account, at.account) || differs(first.region, at.region) {
			problems = append(problems, fmt.Errorf("%s: got one of account %s in %s, but %s is of %s in %s: a vault and "+
				"its keys are in one account and region", arn.property, at.account, at.region, arns[0].property,
				first.account, first.region))
		}
	}
	return problems
}

package main

import (
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// What stands in the policies for account and region. They have the form that the constructs demand, and are replaced
// by names that nobody can take for real.
const (
	standInAccount = "000000000000"
	standInRegion  = "xx-region-1"
)

// writePolicies writes the policy for each access as JSON. Whoever uses it replaces the names in capitals.
func writePolicies(work, dir string) (err error) {
	defer recovered(&err)
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: new(filepath.Join(work, "cdk.out")), AnalyticsReporting: new(false)})
	stack := awscdk.NewStack(app, new("Policies"), &awscdk.StackProps{
		Env: &awscdk.Environment{Account: new(standInAccount), Region: new(standInRegion)},
	})
	const (
		table = "arn:aws:dynamodb:" + standInRegion + ":" + standInAccount + ":table/"
		key   = "arn:aws:kms:" + standInRegion + ":" + standInAccount + ":key/"
	)
	version := func(id string) []tokenizerlayer.KeyVersionAttributes {
		return []tokenizerlayer.KeyVersionAttributes{{Version: "1", KeyArn: key + id}}
	}
	vault, err := tokenizerlayer.VaultFromAttributes(stack, "Vault", &tokenizerlayer.VaultAttributes{
		TableArn: table + "VAULT-TABLE", StateArn: table + "STATE-TABLE", IndexArn: table + "INDEX-TABLE",
		StorageKeyArn: key + "STORAGE-KEY-ID", TokenKeys: version("TOKEN-KEY-ID"),
		FingerprintKeys: version("FINGERPRINT-KEY-ID"),
	})
	if err != nil {
		return err
	}
	v := values{rolePath: tokenizerlayer.DefaultRolePath}
	policy(stack, "tokenize", "", v, vault.Grants().Tokenize)
	policy(stack, "index", "", v, onlyGrantee(vault.Grants().Index))
	policy(stack, "detokenize", "", v, vault.Grants().Detokenize)
	policy(stack, "revoke", "", v, onlyGrantee(vault.Grants().Revoke))
	app.Synth(nil)
	loaded, err := assembly.Load(*app.Outdir())
	if err != nil {
		return err
	}
	return writeManagedPolicies(loaded, dir)
}

func writeManagedPolicies(loaded *assembly.Assembly, dir string) error {
	stack := loaded.Stacks[0]
	resolver := assembly.NewResolver(loaded, standInAccount, standInRegion)
	for id, resource := range stack.Template.Resources {
		document, err := resolver.Resolve(stack, id, resource.Properties["PolicyDocument"])
		if err != nil {
			return err
		}
		text, err := json.Marshal(document)
		if err != nil {
			return err
		}
		named := strings.NewReplacer(standInAccount, "ACCOUNT", standInRegion, "REGION").Replace(string(text))
		if err := json.Unmarshal([]byte(named), &document); err != nil {
			return err
		}
		access := strings.TrimRight(id, "0123456789ABCDEF") // without the CDK's hash
		if err := writeJSON(filepath.Join(dir, access+".json"), document); err != nil {
			return err
		}
	}
	return nil
}

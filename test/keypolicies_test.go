package test

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

const evaluatedAccount = "123456789012"

// place stands where a template leaves account, partition and region open.
var place = strings.NewReplacer("${AWS::Partition}", "aws", "${AWS::AccountId}", evaluatedAccount, "${AWS::Region}",
	"eu-central-1")

// reference is to a resource, rendered.
var reference = regexp.MustCompile(`\$\{(\w+?)(\.Arn)?\}`)

// evaluated is a policy document, or an ARN in it, as it is once it is deployed: what policies are evaluated with.
func (a assembly) evaluated(t *testing.T, value any) any {
	t.Helper()
	switch value := value.(type) {
	case string:
		return reference.ReplaceAllStringFunc(place.Replace(value), func(found string) string {
			name, isARN := strings.CutSuffix(strings.Trim(found, "${}"), ".Arn")
			switch {
			case !isARN:
				return name
			case strings.HasSuffix(name, "Key"):
				return "arn:aws:kms:eu-central-1:" + evaluatedAccount + ":key/" + name
			}
			return "arn:aws:dynamodb:eu-central-1:" + evaluatedAccount + ":table/" + name
		})
	case []any:
		var all []any
		for _, element := range value {
			all = append(all, a.evaluated(t, element))
		}
		return all
	case map[string]any:
		if len(value) == 1 {
			for function, argument := range value {
				if s, ok := a.intrinsic(t, function, argument); ok {
					return a.evaluated(t, s)
				}
			}
		}
		all := map[string]any{}
		for key, element := range value {
			all[key] = a.evaluated(t, element)
		}
		return all
	}
	return value
}

// account has the templates' keys and roles with their policies.
func (a assembly) account(t *testing.T) *policy.Account {
	t.Helper()
	account := policy.NewAccount(evaluatedAccount)
	for id, key := range a.ofType(t, "AWS::KMS::Key") {
		arn := a.evaluated(t, "${"+hash.ReplaceAllString(id, "")+".Arn}").(string)
		if err := account.AddResourcePolicy(arn, id, a.evaluated(t, key.Properties["KeyPolicy"])); err != nil {
			t.Fatal(err)
		}
	}
	for id, p := range a.ofType(t, "AWS::IAM::Policy") {
		for _, role := range p.Properties["Roles"].([]any) {
			if err := account.AddRolePolicy(a.roleARN(t, a.evaluated(t, role).(string)), id,
				a.evaluated(t, p.Properties["PolicyDocument"])); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id, role := range a.ofType(t, "AWS::IAM::Role") {
		if boundary, ok := role.Properties["PermissionsBoundary"]; ok {
			name, policy := a.one(t, "AWS::IAM::ManagedPolicy", strings.Trim(a.text(t, boundary), "${}"))
			if err := account.AddBoundary(a.roleARN(t, hash.ReplaceAllString(id, "")), name,
				a.evaluated(t, policy.Properties["PolicyDocument"])); err != nil {
				t.Fatal(err)
			}
		}
	}
	return account
}

// function is the ARN of the function that a role is for; "" if it is for any.
func (a assembly) function(t *testing.T, role string) string {
	t.Helper()
	if !strings.HasSuffix(role, "/PaybillRole") {
		return ""
	}
	_, paybill := a.one(t, "AWS::Lambda::Function", "PaybillFunction")
	return a.evaluated(t, "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:"+
		paybill.Properties["FunctionName"].(string)).(string)
}

func (a assembly) roleARN(t *testing.T, name string) string {
	t.Helper()
	_, role := a.one(t, "AWS::IAM::Role", name)
	path, _ := role.Properties["Path"].(string)
	return "arn:aws:iam::" + evaluatedAccount + ":role" + cmp.Or(path, "/") + name
}

// may tells whether a role can carry out an action on what a template calls resource. The context alternates keys and
// values; a key that comes again has more values. Unless it names a function, the role's own makes the call.
func (a assembly) may(t *testing.T, account *policy.Account, role, action, resource string, context ...string) bool {
	t.Helper()
	vpc := ""
	for id := range a.anyOfType("AWS::EC2::VPC") { // from where the functions call, through its endpoints
		vpc = a.evaluated(t, "${"+hash.ReplaceAllString(id, "")+"}").(string)
	}
	return a.mayFrom(t, vpc, account, role, action, resource, context...)
}

// mayFrom is may for a call from a VPC or, with "", from none.
func (a assembly) mayFrom(t *testing.T, vpc string, account *policy.Account, role, action, resource string,
	context ...string) bool {
	t.Helper()
	request := policy.Request{
		Role:     role,
		Action:   action,
		Resource: a.evaluated(t, "${"+resource+".Arn}").(string),
		Context:  map[string][]string{"aws:principalarn": {role}},
	}
	if vpc != "" {
		request.Context["aws:sourcevpc"] = []string{vpc}
	}
	if function := a.function(t, role); function != "" && !slices.Contains(context, "lambda:SourceFunctionArn") {
		context = append([]string{"lambda:SourceFunctionArn", function}, context...)
	}
	for i := 0; i < len(context); i += 2 {
		key := strings.ToLower(context[i])
		request.Context[key] = append(request.Context[key], context[i+1])
	}
	return account.Evaluate(request) == nil
}

// keyUses say below which paths a role can use a key in a way at all, whatever IAM gives it. A key and an action that
// are not here are for nobody.
var keyUses = map[string]map[string][]string{
	"TokenKey": {
		"kms:GenerateDataKey": {"tokenize/", "operate/"},
		"kms:Decrypt":         {"detokenize/", "operate/"},
	},
	"FingerprintKey": {
		"kms:GenerateMac": {"tokenize/index/", "operate/"},
	},
}

// uses are the actions of KMS that use a key or hand its use out.
var uses = []string{
	"kms:Decrypt", "kms:DeriveSharedSecret", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair",
	"kms:GenerateDataKeyPairWithoutPlaintext", "kms:GenerateDataKeyWithoutPlaintext", "kms:GenerateMac",
	"kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:Sign", "kms:Verify", "kms:VerifyMac", "kms:CreateGrant",
	"kms:ReplicateKey",
}

// rolePaths are paths of roles, below the account's own: those of the table, paths below and beside them, and some that
// look alike.
var rolePaths = []string{
	"", "tokenizer/", "tokenizer/tokenize/", "tokenizer/tokenize/team/", "tokenizer/tokenize/index/",
	"tokenizer/tokenize/index/team/", "tokenizer/detokenize/", "tokenizer/detokenize/team/", "tokenizer/operate/",
	"tokenizer/administer/", "tokenizer/service/", "tokenizer/tokenizer/detokenize/", "tokenizer/detokenizers/",
	"tokenize/", "detokenize/", "operate/", "administer/", "other/tokenizer/operate/", "other/tokenizer/administer/",
}

func TestKeyPolicies_DenyUseOutsideTheRolePaths(t *testing.T) {
	roles := map[string]string{} // path by ARN
	for _, path := range rolePaths {
		roles["arn:aws:iam::"+evaluatedAccount+":role/"+path+"Role"] = path
	}
	roles["arn:aws:iam::"+evaluatedAccount+":role/tokenizer/operate"] = "tokenizer/" // the name of a role is no path
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		account := assembly.account(t)
		for role := range roles {
			everything := map[string]any{
				"Version":   "2012-10-17",
				"Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}},
			}
			if err := account.AddRolePolicy(role, "Everything", everything); err != nil {
				t.Fatal(err)
			}
		}
		may := func(role, action, key string, context ...string) bool {
			t.Helper()
			return assembly.may(t, account, role, action, key, context...)
		}
		prod := assembly.config.Stage != stacks.Dev
		for role, path := range roles {
			isBelow := func(paths ...string) bool {
				return slices.ContainsFunc(paths, func(p string) bool {
					return strings.HasPrefix(path, "tokenizer/"+p)
				})
			}
			for key, allowed := range keyUses {
				for _, action := range uses {
					if got, want := may(role, action, key), isBelow(allowed[action]...); got != want {
						t.Errorf("%s on %s by %s: allowed is %t, want %t", action, key, role, got, want)
					}
					// Nobody has a service use these keys, wherever the role is.
					if may(role, action, key, "kms:ViaService", "dynamodb.eu-central-1.amazonaws.com") {
						t.Errorf("%s on %s by %s is allowed through a service", action, key, role)
					}
				}
			}
			for _, key := range []string{"TokenKey", "FingerprintKey", "StorageKey"} {
				protected := !prod || isBelow("administer/") // who may take the key out of use
				if got := may(role, "kms:DisableKey", key); got != protected {
					t.Errorf("kms:DisableKey on %s by %s: allowed is %t, want %t", key, role, got, protected)
				}
				for _, days := range []int{7, 29, 30} {
					got := may(role, "kms:ScheduleKeyDeletion", key, "kms:ScheduleKeyDeletionPendingWindowInDays",
						fmt.Sprint(days))
					if want := protected && (!prod || days == 30); got != want {
						t.Errorf("kms:ScheduleKeyDeletion on %s in %d days by %s: allowed is %t, want %t", key, days,
							role, got, want)
					}
				}
				// Nothing else is denied: the policy can be corrected, and a deletion taken back.
				for _, row := range documented(t, "permissions.md", "Administration") {
					if action := row[0]; action != "kms:DisableKey" && action != "kms:ScheduleKeyDeletion" &&
						!may(role, action, key) {
						t.Errorf("%s on %s by %s is denied", action, key, role)
					}
				}
			}
		}
	})
}

func TestKeyPolicies_RolePathsAreTheDocumentedOnes(t *testing.T) {
	var want, got []string
	for _, row := range documented(t, "permissions.md", "Role paths") {
		for action := range strings.SplitSeq(row[1], ", ") {
			want = append(want, row[0]+" "+action+" "+row[2])
		}
	}
	for _, action := range []string{"kms:DisableKey", "kms:ScheduleKeyDeletion"} {
		got = append(got, "/tokenizer/administer/ "+action+" every key")
	}
	for key, actions := range keyUses {
		for action, paths := range actions {
			for _, path := range paths {
				got = append(got, "/tokenizer/"+path+" "+action+" "+key)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("role paths (-docs/permissions.md +tests):\n%s", diff)
	}
}

// Whatever the app's policies are, they cannot deny by an action or a condition that the test above does not try.
func TestKeyPolicies_DenyNothingElse(t *testing.T) {
	const path = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/tokenizer/"
	outside := func(action string, paths ...string) string {
		var roles []string
		for _, p := range paths {
			roles = append(roles, path+p+"*")
		}
		return "Deny " + action + " on * if ArnNotLike=aws:PrincipalArn=" + strings.Join(roles, ",")
	}
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for id, key := range assembly.ofType(t, "AWS::KMS::Key") {
			var want, got []string
			for action, paths := range keyUses[hash.ReplaceAllString(id, "")] {
				want = append(want, outside(action, paths...))
			}
			if assembly.config.Stage != stacks.Dev {
				want = append(want, outside("kms:DisableKey", "administer/"),
					outside("kms:ScheduleKeyDeletion", "administer/"),
					"Deny kms:ScheduleKeyDeletion on * if NumericLessThan=kms:ScheduleKeyDeletionPendingWindowInDays=30")
			}
			for _, s := range assembly.statements(t, key.Properties["KeyPolicy"]) {
				if s.effect == "Deny" {
					got = append(got, s.String())
				}
				if s.effect == "Deny" && s.principal != "AWS=*" {
					t.Errorf("%s denies to %s only: %s", id, s.principal, s)
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("%s denies:\n%s\nwant:\n%s", id, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	})
}

// The keys' policies and a role's own have to allow together what a function is for, and nothing beside it.
func TestKeyPolicies_LetTheApplicationsRolesUseTheKeys(t *testing.T) {
	const table, account, ref, purpose = "kms:EncryptionContext:table", "kms:EncryptionContext:account_id",
		"kms:EncryptionContext:ref", "kms:EncryptionContext:purpose"
	for name, assembly := range map[string]assembly{
		"prod":          prodAssembly(t),
		"dev":           configured(t, "dev"),
		"with a prefix": synth(t, stacks.Config{NamePrefix: "acme-"}),
	} {
		policies := assembly.account(t)
		for what, context := range map[string][]string{
			"its vault's":         {table, "VaultTable", account, evaluatedAccount, ref, "r"},
			"another vault's":     {table, "Another", account, evaluatedAccount, ref, "r"},
			"another account's":   {table, "VaultTable", account, "999999999999", ref, "r"},
			"a purpose's":         {table, "VaultTable", account, evaluatedAccount, ref, "r", purpose, "refund"},
			"one without a vault": {},
			"through AWS services": {
				table, "VaultTable", account, evaluatedAccount, ref, "r", "kms:ViaService",
				"dynamodb.eu-central-1.amazonaws.com",
			},
		} {
			for role, allowed := range map[string]string{
				"OrderRole": "kms:GenerateDataKey", "PaybillRole": "kms:Decrypt",
			} {
				// there its own policy would be all that keeps it from the other side
				if strings.Contains(assembly.roleARN(t, role), "/operate/") {
					t.Errorf("%s: %s is among the operators' roles", name, role)
				}
				for key, actions := range keyUses {
					for _, action := range slices.Sorted(maps.Keys(actions)) {
						want := action == allowed && key == "TokenKey" && what == "its vault's"
						if got := assembly.may(t, policies, assembly.roleARN(t, role), action, key,
							context...); got != want {
							t.Errorf("%s: %s on %s by %s with a context that is %s: allowed is %t, want %t", name,
								action, key, role, what, got, want)
						}
					}
				}
			}
		}
	}
}

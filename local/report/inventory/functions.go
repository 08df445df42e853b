package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// These settings of the extension, which docs/api.md describes, name keys as VERSION=ARN separated by commas, and
// tables.
var (
	keySettings   = map[string]KeyUse{"TOKENIZER_TOKEN_KEYS": TokenKey, "TOKENIZER_FINGERPRINT_KEYS": FingerprintKey}
	tableSettings = map[string]TableUse{
		"TOKENIZER_TABLE": Vault, "TOKENIZER_STATE_TABLE": State, "TOKENIZER_INDEX_TABLE": Index,
	}
)

// function reads a Lambda function.
func (r *reader) function(one *resource) (created, error) {
	name := one.name("FunctionName")
	if !slices.ContainsFunc(r.inventory.Roles, func(role *Role) bool { return role.ARN == one.Str("Role") }) {
		return created{}, fmt.Errorf("its role %q is not one of the templates, so the report cannot tell what the "+
			"function may do", one.Str("Role"))
	}
	f := &Function{
		Named:  Named{one.path, one.arn("lambda", "function:"+name)},
		Role:   one.Str("Role"),
		Layers: one.Strings("Layers"),
	}
	r.inventory.Functions = append(r.inventory.Functions, f)
	r.functions[f.ARN] = f
	return created{name, map[string]string{"Arn": f.ARN}}, r.settings(f, one.Object("Environment").Object("Variables"))
}

// settings learns from a function's settings what keys and tables are for. A key or table has one use.
func (r *reader) settings(f *Function, variables assembly.Properties) error {
	for _, variable := range slices.Sorted(maps.Keys(variables)) {
		if strings.HasPrefix(variable, "AWS_") || strings.HasPrefix(variable, "_") {
			f.AWSVariables = append(f.AWSVariables, variable+"="+variables.Str(variable))
		}
	}
	for variable, use := range tableSettings {
		if name := variables.Str(variable); name != "" {
			f.Tokenizer = true
			if err := r.use(name, string(use)); err != nil {
				return err
			}
		}
	}
	for variable, use := range keySettings {
		for version := range strings.SplitSeq(variables.Str(variable), ",") {
			if _, arn, ok := strings.Cut(version, "="); ok {
				if err := r.use(arn, string(use)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *reader) use(name, use string) error {
	if other := r.uses[name]; other != "" && other != use {
		return fmt.Errorf("%s is used as %s and as %s", name, other, use)
	}
	r.uses[name] = use
	return nil
}

// layer reads a version of a layer.
func (r *reader) layer(one *resource) (created, error) {
	name := one.name("LayerName")
	l := &Layer{Named: Named{one.path, fmt.Sprintf("%s:%d", one.arn("lambda", "layer:"+name), len(r.layers)+1)}}
	r.inventory.Layers = append(r.inventory.Layers, l)
	r.layers[l.ARN] = l
	return created{l.ARN, nil}, nil
}

// layerPermission reads who may use a version of a layer.
func (r *reader) layerPermission(one *resource) (created, error) {
	l, ok := r.layers[one.Str("LayerVersionArn")]
	if !ok {
		return created{}, fmt.Errorf("layer version %s is not one of the templates", one.Str("LayerVersionArn"))
	}
	l.Shared = append(l.Shared, one.permission("OrganizationId"))
	return created{ref: one.name("")}, nil
}

// invokePermission reads who may invoke a function.
func (r *reader) invokePermission(one *resource) (created, error) {
	f, ok := r.functions[one.Str("FunctionName")]
	if !ok {
		return created{}, fmt.Errorf("function %s is not one of the templates", one.Str("FunctionName"))
	}
	f.Invoke = append(f.Invoke, one.permission("PrincipalOrgID", "SourceAccount", "SourceArn"))
	return created{ref: one.name("")}, nil
}

// permission reads a permission and those properties that restrict it.
func (r *resource) permission(restrictions ...string) Permission {
	p := Permission{Principal: r.Str("Principal"), Action: r.Str("Action")}
	for _, property := range restrictions {
		if value := r.Str(property); value != "" {
			p.Conditions = append(p.Conditions, policy.Condition{Key: property, Values: []string{value}})
		}
	}
	return p
}

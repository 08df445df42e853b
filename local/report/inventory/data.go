package inventory

// key reads a KMS key.
func (r *reader) key(one *resource) (created, error) {
	id := one.name("")
	k := &Key{
		Named:  Named{one.path, one.arn("kms", "key/"+id)},
		Policy: Policy{"the policy of " + one.path, one.Properties["KeyPolicy"]},
	}
	r.inventory.Keys = append(r.inventory.Keys, k)
	return created{id, map[string]string{"Arn": k.ARN, "KeyId": id}}, nil
}

// table reads a DynamoDB table.
func (r *reader) table(one *resource) (created, error) {
	name := one.name("TableName")
	t := &Table{
		Named: Named{one.path, one.arn("dynamodb", "table/"+name)}, Name: name,
		StorageKey: one.Object("SSESpecification").Str("KMSMasterKeyId"),
	}
	if document := one.Object("ResourcePolicy")["PolicyDocument"]; document != nil {
		t.Policies = []Policy{{"the policy of " + one.path, document}}
	}
	if t.StorageKey != "" {
		r.uses[t.StorageKey] = string(StorageKey)
	}
	r.inventory.Tables = append(r.inventory.Tables, t)
	return created{name, map[string]string{"Arn": t.ARN}}, nil
}

// parameter reads an SSM parameter.
func (r *reader) parameter(one *resource) (created, error) {
	name := one.name("Name")
	r.inventory.Parameters = append(r.inventory.Parameters, &Parameter{
		Named: Named{one.path, one.arn("ssm", "parameter"+name)}, Name: name, Value: one.Str("Value"),
	})
	return created{name, nil}, nil
}

package report

import "slices"

// place is the kind of resource that an action is about.
type place string

const (
	tokenKey       place = "TokenKey"
	fingerprintKey place = "FingerprintKey"
	storageKey     place = "StorageKey"
	vault          place = "vault"
	state          place = "state"
	index          place = "index"
	application    place = "application"
	elsewhere      place = "elsewhere" // neither a key nor a table
)

// ability is something that a principal can do with cards and tokens, if the policies give it what that takes.
type ability struct {
	title string
	// column heads the ability in the summary; "" leaves it out there.
	column string
	intro  string
	needs  []need
	// any means that one of the needs is enough. Otherwise it takes all.
	any bool
}

// need is something that a principal needs for an ability, and by which actions it gets it.
type need struct {
	gives   string // "" if the ability's title says it
	place   place
	actions []string
	// prefix is how the partition keys begin that the actions must reach; "" means that any will do.
	prefix string
	// purposes tells that the encryption context says for which purposes the actions work.
	purposes bool
}

// Actions on keys. Every action that DynamoDB and KMS know for a table or a symmetric or HMAC key is in one of these
// lists or in harmless.
var (
	opens = []string{"kms:Decrypt", "kms:ReEncryptFrom"}
	seals = []string{
		"kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext",
		"kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptTo",
	}
	macs  = []string{"kms:GenerateMac", "kms:VerifyMac"}
	keeps = []string{
		"kms:CancelKeyDeletion", "kms:CreateAlias", "kms:CreateGrant", "kms:DeleteAlias",
		"kms:DeleteImportedKeyMaterial", "kms:DisableKey", "kms:DisableKeyRotation", "kms:EnableKey",
		"kms:EnableKeyRotation", "kms:ImportKeyMaterial", "kms:PutKeyPolicy", "kms:ReplicateKey", "kms:RetireGrant",
		"kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:SynchronizeMultiRegionKey",
		"kms:UpdateAlias", "kms:UpdatePrimaryRegion",
	}
)

// Actions on tables. A write whose condition fails, or that asks for what it replaces, returns a row, so a write reads,
// too.
var (
	reads = []string{
		"dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:CreateBackup",
		"dynamodb:EnableKinesisStreamingDestination", "dynamodb:ExportTableToPointInTime", "dynamodb:GetItem",
		"dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:PartiQLSelect", "dynamodb:Query",
		"dynamodb:ReadDataForReplication", "dynamodb:RestoreTableFromAwsBackup", "dynamodb:RestoreTableFromBackup",
		"dynamodb:RestoreTableToPointInTime", "dynamodb:Scan", "dynamodb:SearchVectors", "dynamodb:StartAwsBackupJob",
		"dynamodb:UpdateKinesisStreamingDestination",
	}
	puts = []string{
		"dynamodb:BatchWriteItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PutItem",
		"dynamodb:StartBulkPutItems", "dynamodb:UpdateItem", "dynamodb:WriteDataForReplication",
	}
	deletes = []string{
		"dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PartiQLDelete",
		"dynamodb:WriteDataForReplication",
	}
	manages = []string{
		"dynamodb:AssociateTableReplica", "dynamodb:CreateGlobalTable", "dynamodb:CreateTable",
		"dynamodb:CreateTableReplica", "dynamodb:DeleteBackup", "dynamodb:DeleteResourcePolicy", "dynamodb:DeleteTable",
		"dynamodb:DeleteTableReplica", "dynamodb:DisableKinesisStreamingDestination", "dynamodb:ImportTable",
		"dynamodb:InjectError", "dynamodb:PutResourcePolicy", "dynamodb:ReplicateSettings", "dynamodb:UpdateAbacStatus",
		"dynamodb:UpdateContinuousBackups", "dynamodb:UpdateGlobalTable", "dynamodb:UpdateGlobalTableSettings",
		"dynamodb:UpdateGlobalTableVersion", "dynamodb:UpdateTable", "dynamodb:UpdateTableReplicaAutoScaling",
		"dynamodb:UpdateTimeToLive",
	}
	writes = union(puts, deletes)
	// items are the actions on items, for which DynamoDB uses the table's StorageKey with its caller's rights. Other
	// actions are about whole tables, and their requests name no keys of items.
	items = []string{
		"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
		"dynamodb:GetItem", "dynamodb:PartiQLDelete", "dynamodb:PartiQLInsert", "dynamodb:PartiQLSelect",
		"dynamodb:PartiQLUpdate", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem",
	}
)

// deploys are actions that change who can read in other ways: roles, functions, layers, and the records of what was
// done.
var deploys = []string{
	"cloudformation:CreateChangeSet", "cloudformation:CreateStack", "cloudformation:DeleteStack",
	"cloudformation:ExecuteChangeSet", "cloudformation:UpdateStack", "iam:AddUserToGroup", "iam:AttachGroupPolicy",
	"iam:AttachRolePolicy", "iam:AttachUserPolicy", "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:CreatePolicy",
	"iam:CreatePolicyVersion", "iam:CreateRole", "iam:CreateUser", "iam:DeleteRolePermissionsBoundary",
	"iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PassRole", "iam:PutGroupPolicy",
	"iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:PutUserPolicy", "iam:SetDefaultPolicyVersion",
	"iam:UpdateAssumeRolePolicy", "lambda:AddLayerVersionPermission", "lambda:AddPermission", "lambda:CreateAlias",
	"lambda:CreateEventSourceMapping", "lambda:CreateFunction", "lambda:CreateFunctionUrlConfig",
	"lambda:DeleteFunction", "lambda:DeleteFunctionCodeSigningConfig", "lambda:DeleteLayerVersion",
	"lambda:InvokeFunction", "lambda:PublishLayerVersion", "lambda:PublishVersion",
	"lambda:PutFunctionCodeSigningConfig", "lambda:RemovePermission", "lambda:UpdateAlias",
	"lambda:UpdateCodeSigningConfig", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
	"lambda:UpdateFunctionUrlConfig", "logs:DeleteLogGroup", "logs:DeleteLogStream", "logs:PutRetentionPolicy",
	"logs:PutSubscriptionFilter", "s3:PutObject", "ssm:DeleteParameter", "ssm:PutParameter", "sts:AssumeRole",
}

// abilities are what the report is about, in its order.
var abilities = []ability{
	{
		title: "Read a card in clear", column: "reads cards",
		intro: "This needs both the row and its data key, which KMS decrypts only for the encryption context of the row. A write whose condition fails " +
			"can return the row, too.",
		needs: []need{
			{gives: "the data key", place: tokenKey, actions: opens, purposes: true},
			{gives: "the row", place: vault, actions: union(reads, writes)},
		},
	},
	{
		title: "Put data behind a token", column: "puts data behind tokens",
		intro: "This needs both a data key for a token and a write to the vault. A token that exists already opens only with data of its maker: " +
			"see the [threat model](threat-model.md).",
		needs: []need{
			{gives: "a data key", place: tokenKey, actions: seals, purposes: true},
			{gives: "the row", place: vault, actions: puts},
		},
	},
	{
		title: "Try card numbers, or point the index at another token", column: "tries card numbers",
		intro: "This needs both fingerprints and the index. Treat it as a right to read deterministic tokens.",
		needs: []need{
			{gives: "fingerprints", place: fingerprintKey, actions: macs},
			{gives: "the index", place: index, actions: union(reads, writes)},
		},
	},
	{
		title: "End a token, or spend its uses", column: "ends tokens", any: true,
		intro: "A tombstone revokes a token for good. A token whose row was deleted or replaced does not open. A token whose count has reached its limit " +
			"is used up.",
		needs: []need{
			{gives: "tombstones", place: state, actions: puts, prefix: "gone#"},
			{gives: "uses", place: state, actions: puts, prefix: "use#"},
			{gives: "rows", place: vault, actions: writes},
		},
	},
	{
		title: "Bring a revoked token or its uses back", column: "brings tokens back", any: true,
		intro: "A token whose tombstone is deleted opens again if its row exists. A count that is lowered or deleted gives uses back.",
		needs: []need{
			{gives: "tombstones", place: state, actions: deletes, prefix: "gone#"},
			{gives: "uses", place: state, actions: writes, prefix: "use#"},
		},
	},
	{
		title: "Use StorageKey", any: true,
		intro: "DynamoDB encrypts and decrypts a table with the rights of its caller. Without StorageKey for a " +
			"table, none of its rows can be read " +
			"or written.",
		needs: []need{{place: storageKey, actions: union(opens, seals)}},
	},
	{
		title: "Change any of this", column: "changes this", any: true,
		intro: "This is what the principals above may change. Another section says what the keys and tables leave to IAM, and so to others.",
		needs: []need{
			{gives: "keys", place: tokenKey, actions: keeps},
			{gives: "keys", place: fingerprintKey, actions: keeps},
			{gives: "keys", place: storageKey, actions: keeps},
			{gives: "tables", place: vault, actions: manages},
			{gives: "tables", place: state, actions: manages},
			{gives: "tables", place: index, actions: manages},
			{gives: "the system", place: elsewhere, actions: deploys},
		},
	},
}

// harmless are actions that do none of this at a place. What is neither here nor in an ability is an error.
var harmless = map[place][]string{
	tokenKey:       union(describesKeys, macs, asymmetric),
	fingerprintKey: union(describesKeys, opens, seals, asymmetric), // an HMAC key does not encrypt
	storageKey:     union(describesKeys, macs, asymmetric),
	vault:          describesTables,
	state:          union(describesTables, reads),
	index:          describesTables,
	application:    union(describesTables, reads, writes, manages), // it holds tokens, not cards
	elsewhere: {
		"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
		"logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents",
		"xray:PutTelemetryRecords", "xray:PutTraceSegments",
	},
}

var (
	describesKeys = []string{
		"kms:DescribeKey", "kms:GetKeyLastUsage", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
		"kms:GetParametersForImport", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations",
		"kms:ListResourceTags", "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription",
	}
	asymmetric = []string{
		"kms:Decapsulate", "kms:DeriveSharedSecret", "kms:Encapsulate", "kms:GetPublicKey", "kms:Sign", "kms:Verify",
	}
	describesTables = []string{
		"dynamodb:CancelBulkOperation", "dynamodb:DescribeBackup", "dynamodb:DescribeBulkOperation",
		"dynamodb:DescribeContinuousBackups", "dynamodb:DescribeContributorInsights", "dynamodb:DescribeExport",
		"dynamodb:DescribeGlobalTable", "dynamodb:DescribeGlobalTableSettings", "dynamodb:DescribeImport",
		"dynamodb:DescribeKinesisStreamingDestination", "dynamodb:DescribeStream", "dynamodb:DescribeTable",
		"dynamodb:DescribeTableReplicaAutoScaling", "dynamodb:DescribeTimeToLive", "dynamodb:GetAbacStatus",
		"dynamodb:GetResourcePolicy", "dynamodb:ListTagsOfResource", "dynamodb:TagResource", "dynamodb:UntagResource",
		"dynamodb:UpdateContributorInsights",
	}
)

// union returns the actions of all lists, sorted, each once.
func union(lists ...[]string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(lists...))))
}

// watched returns the actions at a place that are part of an ability.
func watched(at place) (actions []string) {
	for _, a := range abilities {
		for _, n := range a.needs {
			if n.place == at {
				actions = append(actions, n.actions...)
			}
		}
	}
	return union(actions)
}

// known returns the actions at a place that the report has an opinion about.
func known(at place) []string { return union(watched(at), harmless[at]) }

package vault_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	localjson "github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/kmsserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// The attacks of attacks_test.go are about the vault's code. Those named TestRole_ are about its grants as well: a role
// turns hostile, and calls KMS and DynamoDB with exactly the permissions that the templates give it, by the vault's
// code or around it.

const (
	region = "us-east-1"
	vpc    = "vpc-1"
)

// attacker is a kind of role: what it was granted, and its place in IAM.
type attacker struct {
	path   string
	grants []string // who they are granted to in docs/permissions.md
}

var attackers = map[string]attacker{
	"order":       {"/tokenizer/tokenize/", []string{"OrderRole"}},
	"paybill":     {"/tokenizer/detokenize/", []string{"PaybillRole"}},
	"tokenizer":   {"/tokenizer/tokenize/", []string{"TokenizeRefunds"}},
	"indexer":     {"/tokenizer/tokenize/index/", []string{"TokenizeRefunds", "Index"}},
	"detokenizer": {"/tokenizer/detokenize/", []string{"DetokenizeRefunds"}},
	"revoker":     {"/tokenizer/", []string{"Revoke"}},
}

// functions are the names of the functions that a role is for, where its permissions hold for one only.
var functions = map[string]string{"paybill": "AppStack-PaybillFunction"}

// system is KMS and DynamoDB behind the policies of docs/permissions.md.
type system struct {
	t        *testing.T
	clock    *clock
	names    resolver
	policies *policy.Account
	proxy    *awsproxy.Proxy
	url      string            // of the proxy
	direct   role              // nobody's policy restricts it: for setting up, and for looking
	keys     map[string]string // ARN by the key's name in docs/permissions.md; of TokenKey the current version
	oldKey   string            // the version of TokenKey before
	sent     *record           // what KMS was sent
}

// role is somebody who has clients of KMS and DynamoDB, and the vault's code with its own clients of them.
type role struct {
	fixture // has no fakes: only the vault and its methods are to be used
	arn     string
	kms     *kms.Client
	db      *dynamodb.Client
	wraps   vault.KMS
	store   vault.Store
}

// sdkRow is a row as the SDK has it.
type sdkRow = map[string]types.AttributeValue

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{
		t: t, clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, policies: policy.NewAccount(account),
		keys: map[string]string{},
		sent: &record{next: kmsserver.New(kmsserver.Config{AccountID: account, Region: region})},
	}
	kmsURL := s.serve(s.sent)
	dynamoURL := s.serve(dynamoserver.New(dynamoserver.Config{AccountID: account, Region: region, Now: s.clock.Now}))
	guard := authorizer.New(
		authorizer.Config{Account: account, Region: region, Policies: s.policies, Denied: func(string, error) {}})
	s.proxy = awsproxy.New(awsproxy.Config{Authorize: guard.Authorize, Targets: endpoint.Set{
		endpoint.KMS:      {Service: endpoint.KMS, URL: kmsURL},
		endpoint.DynamoDB: {Service: endpoint.DynamoDB, URL: dynamoURL},
	}})
	s.url = s.serve(s.proxy).String()
	s.direct = role{
		kms: newKMS(kmsURL.String(), "direct"), db: newDynamoDB(dynamoURL.String(), "direct"),
		wraps: newKeys(t, kmsURL.String(), "direct"), store: newStore(t, dynamoURL.String(), "direct"),
	}
	s.createKeys()
	s.createTables(guard)
	s.direct.Vault = s.newVault("direct", s.direct)
	s.sent.clear()
	return s
}

func (s *system) serve(h http.Handler) *url.URL {
	s.t.Helper()
	server := httptest.NewServer(h)
	s.t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	s.must(err)
	return u
}

func (s *system) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// createKeys makes the keys with their policies. TokenKey was rotated once.
func (s *system) createKeys() {
	s.t.Helper()
	tables, err := documented()
	s.must(err)
	s.names.arns = map[string][]string{}
	for _, version := range []string{"TokenKey.1", "TokenKey", "FingerprintKey", "StorageKey"} {
		in := &kms.CreateKeyInput{}
		if version == "FingerprintKey" {
			in.KeySpec, in.KeyUsage = kmstypes.KeySpecHmac256, kmstypes.KeyUsageTypeGenerateVerifyMac
		}
		made, err := s.direct.kms.CreateKey(s.t.Context(), in)
		s.must(err)
		name, arn := strings.TrimSuffix(version, ".1"), *made.KeyMetadata.Arn
		s.names.arns[name] = append([]string{arn}, s.names.arns[name]...) // the current version first
		s.keys[name] = arn
		document, err := s.names.policyOf(
			tables.keys.of(func(p permission) bool { return slices.Contains(p.on, name) }), true)
		s.must(err)
		s.must(s.policies.AddResourcePolicy(arn, "the policy of "+version, document))
	}
	s.oldKey = s.names.arns["TokenKey"][1]
}

// createTables makes the vault's tables, and tells the names of everything else that the policies are about.
func (s *system) createTables(guard *authorizer.Authorizer) {
	s.t.Helper()
	s.names.values = map[string]string{"VaultTable": table, "VaultState": state, "VaultIndex": index}
	for name, called := range s.names.values {
		s.names.arns[name] = []string{tableARN(called)}
	}
	for _, name := range []string{"CustomerOrderTable", "SimulatedPaymentLedger"} {
		// the example application's, which no attack is about
		s.names.arns[name], s.names.values[name] = []string{tableARN(name)}, name
	}
	for _, name := range []string{"OrderLogs", "PaybillLogs"} {
		s.names.arns[name] = []string{"arn:aws:logs:" + region + ":" + account + ":log-group:" + name}
	}
	s.names.values["Vpc"] = vpc
	for _, service := range []string{"dynamodb", "kms"} {
		guard.AddEndpoint(vpc, service)
	}
	createTables(s.t, s.direct.db)
	for name, key := range map[string]string{table: "Hash_Key", state: "State_Key", index: "Index_Key"} {
		guard.AddTable(name, authorizer.Table{PartitionKey: key, StorageKeyARN: s.keys["StorageKey"]})
	}
}

func tableARN(name string) string {
	return "arn:aws:dynamodb:" + region + ":" + account + ":table/" + name
}

// role makes a role of a kind.
func (s *system) role(kind string) role {
	s.t.Helper()
	return s.roleAt(attackers[kind].path, kind, attackers[kind].grants...)
}

// roleAt makes a role at a path, with the permissions that docs/permissions.md gives to somebody.
func (s *system) roleAt(path, name string, grants ...string) role {
	s.t.Helper()
	tables, err := documented()
	s.must(err)
	r := s.stranger(path, name)
	names := s.names
	for _, grant := range grants {
		rows := tables.roles.of(func(p permission) bool { return p.who == grant })
		if len(rows) == 0 {
			s.t.Fatalf("docs/permissions.md has no %s", grant)
		}
		for _, row := range rows {
			// Grants.Tokenize is for the current version of TokenKey. A template of several versions would say so.
			names.arns = maps.Clone(s.names.arns)
			if slices.Contains(row.actions, "kms:GenerateDataKey") {
				names.arns["TokenKey"] = names.arns["TokenKey"][:1]
			}
			document, err := names.policyOf(permissions{row}, false)
			s.must(err)
			s.must(s.policies.AddRolePolicy(r.arn, grant, document))
		}
	}
	return r
}

// stranger makes a role without permissions, in the VPC that some of the roles are bound to.
func (s *system) stranger(path, name string) role {
	s.t.Helper()
	arn := "arn:aws:iam::" + account + ":role" + path + name
	id := "AKID" + strings.ToUpper(strings.NewReplacer("/", "", "-", "", " ", "").Replace(path+name))
	s.proxy.Register(id, "session of "+arn, arn,
		"arn:aws:lambda:"+region+":"+account+":function:"+cmp.Or(functions[name], name), vpc)
	session := "session of " + arn
	r := role{
		arn: arn, kms: newKMS(s.url, id, session), db: newDynamoDB(s.url, id, session),
		wraps: newKeys(s.t, s.url, id, session), store: newStore(s.t, s.url, id, session),
	}
	r.Vault = s.newVault(name, r)
	return r
}

// allow gives a role more than the templates do: what an administrator of IAM can do without touching a key's policy.
func (s *system) allow(r role, action, resource string) {
	s.t.Helper()
	s.must(s.policies.AddRolePolicy(r.arn, "extra", map[string]any{"Statement": []any{
		map[string]any{"Effect": "Allow", "Action": action, "Resource": resource},
	}}))
}

// open lets IAM give every use of a key away, as if its policy denied nothing.
func (s *system) open(key string) {
	s.t.Helper()
	s.must(s.policies.AddResourcePolicy(key, "extra", map[string]any{"Statement": []any{map[string]any{
		"Effect": "Allow", "Action": "kms:*", "Resource": "*",
		"Principal": map[string]any{"AWS": "arn:aws:iam::" + account + ":root"},
	}}}))
}

// newVault is the vault's code as a function runs it that has both versions of TokenKey, and the index.
func (s *system) newVault(actor string, r role, change ...func(*vault.Config)) *vault.Vault {
	s.t.Helper()
	c := vault.Config{
		TokenKeys:       []vault.Key{{Version: "2", ARN: s.keys["TokenKey"]}, {Version: "1", ARN: s.oldKey}},
		FingerprintKeys: []vault.Key{{Version: "1", ARN: s.keys["FingerprintKey"]}},
		Table:           table, State: state, Index: index, AccountID: account, Actor: actor, KMS: r.wraps,
		Store: r.store, Now: s.clock.Now,
		Timeout: time.Minute, // under the race detector, with few processors
	}
	for _, ch := range change {
		ch(&c)
	}
	v, err := vault.New(c)
	s.must(err)
	return v
}

func newKMS(at, id string, session ...string) *kms.Client {
	return kms.New(
		kms.Options{BaseEndpoint: &at, Region: region, RetryMaxAttempts: 1, Credentials: credentialsOf(id, session)})
}

func newDynamoDB(at, id string, session ...string) *dynamodb.Client {
	return dynamodb.New(
		dynamodb.Options{BaseEndpoint: &at, Region: region, RetryMaxAttempts: 1,
			Credentials: credentialsOf(id, session)})
}

// newKeys and newStore are the clients that the vault's code uses, which speak for the same role.
func newKeys(t *testing.T, at, id string, session ...string) vault.KMS {
	t.Helper()
	c, err := kmsapi.New(environmentOf(t, at, id, session), awsjson.Options{Attempts: 1, AttemptTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newStore(t *testing.T, at, id string, session ...string) vault.Store {
	t.Helper()
	c, err := dynamoapi.New(environmentOf(t, at, id, session),
		awsjson.Options{Attempts: 1, AttemptTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func environmentOf(t *testing.T, at, id string, session []string) awsjson.Environment {
	t.Helper()
	variables := map[string]string{
		"AWS_REGION": region, "AWS_ENDPOINT_URL": at, "AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_SESSION_TOKEN": strings.Join(session, ""),
	}
	e, err := awsjson.Load(func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func credentialsOf(id string, session []string) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(id, "secret", strings.Join(session, ""))
}

// record keeps what KMS is asked, and the MACs that it gives out.
type record struct {
	next http.Handler

	mu    sync.Mutex
	calls []kmsCall
}

type kmsCall struct {
	operation         string
	body              []byte
	EncryptionContext map[string]string
	Message           []byte
	mac               string // that KMS answered, as the vault writes it
}

func (r *record) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	request.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	r.next.ServeHTTP(answer, request)
	call := kmsCall{operation: localjson.Operation(request), body: body}
	_ = json.Unmarshal(body, &call)
	var out struct{ Mac []byte }
	_ = json.Unmarshal(answer.Body.Bytes(), &out)
	if out.Mac != nil {
		call.mac = base64.RawURLEncoding.EncodeToString(out.Mac)
	}
	r.mu.Lock()
	r.calls = append(r.calls, call)
	r.mu.Unlock()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client has gone: nobody is left to tell
}

func (r *record) clear() { r.mu.Lock(); defer r.mu.Unlock(); r.calls = nil }

func (r *record) all() []kmsCall { r.mu.Lock(); defer r.mu.Unlock(); return slices.Clone(r.calls) }

// count is how often KMS has carried out or refused an operation that the policies let pass.
func (r *record) count(operation string) (n int) {
	for _, call := range r.all() {
		if call.operation == operation {
			n++
		}
	}
	return n
}

// Who refuses, in the words of AWS.
const (
	byIAM        = "because no identity-based policy allows the "
	byKeysDenial = "because of an explicit deny in a resource-based policy"
	byKeysPolicy = "because no resource-based policy allows the "
)

// wantRefused checks that policies refuse a call: which action, and whose policy.
func wantRefused(t *testing.T, err error, action, why string) {
	t.Helper()
	if code, text := apiError(err); code != "AccessDeniedException" ||
		!strings.Contains(text, "perform: "+action+" on") || !strings.Contains(text, why) {
		t.Errorf("got %v, want %s refused %s", err, action, why)
	}
}

func apiError(err error) (code, text string) {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode(), e.ErrorMessage()
	}
	return "", ""
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

func vaultKey(token string) sdkRow {
	return sdkRow{"Hash_Key": str(token), "Account_Id": str(account)}
}
func stateKey(key string) sdkRow {
	return sdkRow{"State_Key": str(key), "Account_Id": str(account)}
}
func indexKey(key string) sdkRow { return sdkRow{"Index_Key": str(key)} }

// get and put are calls of DynamoDB that the test itself makes.
func (r role) get(t *testing.T, table string, key sdkRow) sdkRow {
	t.Helper()
	row, err := r.getItem(t, table, key)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func (r role) getItem(t *testing.T, table string, key sdkRow) (sdkRow, error) {
	t.Helper()
	out, err := r.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

func (r role) put(t *testing.T, table string, row sdkRow) {
	t.Helper()
	if _, err := r.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: row}); err != nil {
		t.Fatal(err)
	}
}

func (r role) scan(t *testing.T, table string) []map[string]types.AttributeValue {
	t.Helper()
	out, err := r.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	return out.Items
}

// forge puts a row for a token that is sealed with raw calls, whether or not that token is the role's own.
func (r role) forge(t *testing.T, tok, ref, purpose, payload, key string) {
	t.Helper()
	bound := envelope.Context{"table": table, "account_id": account, "ref": ref}
	row := vaultKey(tok)
	if purpose != "" {
		bound["purpose"], row["Purpose"] = purpose, str(purpose)
	}
	data, err := r.kms.GenerateDataKey(t.Context(),
		&kms.GenerateDataKeyInput{KeyId: &key, KeySpec: "AES_256", EncryptionContext: bound})
	if err != nil {
		t.Fatal(err)
	}
	message, err := envelope.Seal(envelope.DataKey{
		Plaintext: data.Plaintext,
		Wrapped:   envelope.WrappedKey{Provider: envelope.KMSProvider, Info: key, Ciphertext: data.CiphertextBlob},
	}, bound, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	row["Ref"], row["Format"], row["CandidateString"] = str(ref), num("3"), &types.AttributeValueMemberB{Value: message}
	r.put(t, table, row)
}

// wrappedKey is the data key of a row as KMS takes it.
func wrappedKey(t *testing.T, row sdkRow, bound envelope.Context) (wrapped envelope.WrappedKey) {
	t.Helper()
	stop := errors.New("seen")
	_, err := envelope.Open(t.Context(), row["CandidateString"].(*types.AttributeValueMemberB).Value, bound,
		func(_ context.Context, w envelope.WrappedKey, _ envelope.Context) ([]byte, error) {
			wrapped = w
			return nil, stop
		})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	return wrapped
}

// onItem is what policies let a role do with one item of a table, by every operation that there is, or with the table.
func (r role) onItem(t *testing.T, table string, key sdkRow) []string {
	t.Helper()
	ctx, none := t.Context(), types.ReturnValueNone
	partition, sort := "", ""
	for name := range key {
		if name == "Account_Id" {
			sort = name
		} else {
			partition = name
		}
	}
	update, condition, where := "SET Uses = :n", "attribute_exists("+partition+")", partition+" = :key"
	values := sdkRow{":n": num("1")}
	transact := func(item types.TransactWriteItem) error {
		_, err := r.db.TransactWriteItems(ctx,
			&dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{item}})
		return err
	}
	errs := map[string]error{}
	_, errs["GetItem"] = r.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key})
	_, errs["PutItem"] = r.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: key})
	_, errs["PutItem ALL_OLD"] = r.db.PutItem(ctx,
		&dynamodb.PutItemInput{TableName: &table, Item: key, ReturnValues: types.ReturnValueAllOld})
	_, errs["UpdateItem"] = r.db.UpdateItem(ctx,
		&dynamodb.UpdateItemInput{TableName: &table, Key: key, UpdateExpression: &update,
			ExpressionAttributeValues: values, ReturnValues: none})
	_, errs["DeleteItem"] = r.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: key})
	_, errs["Query"] = r.db.Query(ctx,
		&dynamodb.QueryInput{TableName: &table, KeyConditionExpression: &where,
			ExpressionAttributeValues: sdkRow{":key": key[partition]}})
	_, errs["Scan"] = r.db.Scan(ctx, &dynamodb.ScanInput{TableName: &table})
	_, errs["BatchGetItem"] = r.db.BatchGetItem(ctx,
		&dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{table: {Keys: []map[string]types.AttributeValue{key}}}})
	_, errs["BatchWriteItem"] = r.db.BatchWriteItem(ctx,
		&dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{table: {{DeleteRequest: &types.DeleteRequest{Key: key}}}}})
	_, errs["TransactGetItems"] = r.db.TransactGetItems(ctx,
		&dynamodb.TransactGetItemsInput{
			TransactItems: []types.TransactGetItem{{Get: &types.Get{TableName: &table, Key: key}}}})
	errs["Transact Put"] = transact(types.TransactWriteItem{Put: &types.Put{TableName: &table, Item: key}})
	errs["Transact Update"] = transact(
		types.TransactWriteItem{
			Update: &types.Update{TableName: &table, Key: key, UpdateExpression: &update,
				ExpressionAttributeValues: values}})
	errs["Transact Delete"] = transact(types.TransactWriteItem{Delete: &types.Delete{TableName: &table, Key: key}})
	errs["Transact ConditionCheck"] = transact(
		types.TransactWriteItem{
			ConditionCheck: &types.ConditionCheck{TableName: &table, Key: key, ConditionExpression: &condition}})
	_, errs["ExecuteStatement"] = r.db.ExecuteStatement(ctx,
		&dynamodb.ExecuteStatementInput{
			Statement: new("DELETE FROM " + table + " WHERE " + partition + "='x' AND " + sort + "='y'")})
	_, errs["DescribeTable"] = r.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	_, errs["UpdateTable"] = r.db.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &table})
	_, errs["DeleteTable"] = r.db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &table})
	_, errs["CreateBackup"] = r.db.CreateBackup(ctx, &dynamodb.CreateBackupInput{TableName: &table, BackupName: &table})
	_, errs["ExportTableToPointInTime"] = r.db.ExportTableToPointInTime(ctx,
		&dynamodb.ExportTableToPointInTimeInput{TableArn: new(tableARN(table)), S3Bucket: &table})
	_, errs["RestoreTableToPointInTime"] = r.db.RestoreTableToPointInTime(ctx,
		&dynamodb.RestoreTableToPointInTimeInput{SourceTableName: &table, TargetTableName: new("Copy")})
	_, errs["UpdateTimeToLive"] = r.db.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &partition, Enabled: new(true)},
	})
	return passed(t, errs)
}

// onKey is what policies let a role do with a key.
func (r role) onKey(t *testing.T, key string, bound envelope.Context) []string {
	t.Helper()
	ctx, blob := t.Context(), []byte("a blob that no key has made")
	mac, pair := kmstypes.MacAlgorithmSpecHmacSha256, kmstypes.DataKeyPairSpecEccNistP256
	errs := map[string]error{}
	_, errs["Encrypt"] = r.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: blob, EncryptionContext: bound})
	_, errs["Decrypt"] = r.kms.Decrypt(ctx,
		&kms.DecryptInput{KeyId: &key, CiphertextBlob: blob, EncryptionContext: bound})
	_, errs["Decrypt without a KeyId"] = r.kms.Decrypt(ctx,
		&kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: bound})
	_, errs["ReEncrypt"] = r.kms.ReEncrypt(ctx,
		&kms.ReEncryptInput{DestinationKeyId: &key, CiphertextBlob: blob, SourceEncryptionContext: bound})
	_, errs["GenerateDataKey"] = r.kms.GenerateDataKey(ctx,
		&kms.GenerateDataKeyInput{KeyId: &key, KeySpec: "AES_256", EncryptionContext: bound})
	_, errs["GenerateDataKeyWithoutPlaintext"] = r.kms.GenerateDataKeyWithoutPlaintext(ctx,
		&kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &key, KeySpec: "AES_256", EncryptionContext: bound})
	_, errs["GenerateDataKeyPair"] = r.kms.GenerateDataKeyPair(ctx,
		&kms.GenerateDataKeyPairInput{KeyId: &key, KeyPairSpec: pair, EncryptionContext: bound})
	_, errs["GenerateMac"] = r.kms.GenerateMac(ctx,
		&kms.GenerateMacInput{KeyId: &key, MacAlgorithm: mac, Message: blob})
	_, errs["VerifyMac"] = r.kms.VerifyMac(ctx,
		&kms.VerifyMacInput{KeyId: &key, MacAlgorithm: mac, Message: blob, Mac: blob})
	_, errs["CreateGrant"] = r.kms.CreateGrant(ctx,
		&kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &r.arn, Operations: []kmstypes.GrantOperation{"Decrypt"}})
	_, errs["DisableKey"] = r.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})
	_, errs["ScheduleKeyDeletion"] = r.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key})
	return passed(t, errs)
}

// passed lists the calls that no policy refused, whatever the service made of them. A call of DynamoDB that only the
// key of the tables keeps from passing has a name of its own: it is not what the grants mean.
func passed(t *testing.T, errs map[string]error) (names []string) {
	t.Helper()
	for name, err := range errs {
		code, text := apiError(err)
		ofDynamoDB := strings.Contains(fmt.Sprint(err), "DynamoDB: ")
		switch {
		case code == "AccessDeniedException" && ofDynamoDB && strings.Contains(text, "perform: kms:"):
			names = append(names, name+" but for the key")
		case code == "AccessDeniedException":
		case err == nil, code != "":
			names = append(names, name)
		default:
			t.Errorf("%s: not answered: %v %s", name, err, text)
		}
	}
	slices.Sort(names)
	return names
}

func wantOnly(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// checkKept checks that a role does not get the data of a token, and why.
func checkKept(t *testing.T, r role, tok string, why error, what string) {
	t.Helper()
	opened, err := r.Detokenize(t.Context(), attempt(tok, ""))
	if !errors.Is(err, why) || opened.Data.Reveal() != "" {
		t.Errorf("%s: error = %v, want %v; released: %t", what, err, why, opened.Data.Reveal() != "")
	}
}

// The grants are enough for what they are for. Otherwise the refusals in the attacks would say nothing.
func TestRole_EachGrantIsEnough(t *testing.T) {
	s := newSystem(t)
	order, paybill, tokenizer, indexer := s.role("order"), s.role("paybill"), s.role("tokenizer"), s.role("indexer")
	detokenizer, revoker := s.role("detokenizer"), s.role("revoker")
	for name, made := range map[string]struct {
		by, reader role
		with       []func(*vault.Create)
		found      bool
	}{
		"an order's card": {order, paybill, []func(*vault.Create){uses(2)}, false},
		"a refund's card": {tokenizer, detokenizer, []func(*vault.Create){
			purpose("refund"), uses(2), ttl(time.Hour)}, false},
		"a deterministic card": {indexer, detokenizer, []func(*vault.Create){purpose("refund"), deterministic("s")},
			true},
		"a repeated request": {indexer, detokenizer, []func(*vault.Create){
			purpose("refund"), idempotent("k"), uses(2)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			created := made.by.create(t, visa, made.with...)
			if again := made.by.create(t, visa, made.with...); (again.Token == created.Token) != made.found {
				t.Errorf("the token is found again: %v", !made.found)
			}
			if got, err := made.reader.detokenize(t, created.Token); err != nil || got != visa {
				t.Errorf("detokenize: %v", err)
			}
			if m, err := made.reader.Metadata(t.Context(), read(created.Token)); err != nil || m.Uses != m.MaxUses/2 {
				t.Errorf("metadata: %+v, %v", m, err)
			}
			if !revoker.revoke(t, created.Token).Existed {
				t.Error("nothing was revoked")
			}
		})
	}
	if got := len(s.direct.scan(t, index)); got != 0 {
		t.Errorf("%d rows of the index are left", got)
	}
}

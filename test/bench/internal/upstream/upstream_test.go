package upstream

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func start(t *testing.T) (*Server, *awskms.Client, *dynamodb.Client) {
	t.Helper()
	s, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	config := aws.Config{
		Region:       "us-east-1",
		BaseEndpoint: new("http://" + s.Addr()),
		Credentials:  credentials.NewStaticCredentialsProvider("a", "s", "t"),
	}
	return s, awskms.NewFromConfig(config), dynamodb.NewFromConfig(config)
}

func TestKMS_BindsADataKeyToItsContext(t *testing.T) {
	s, client, _ := start(t)
	bound := map[string]string{"table": "t", "account_id": "1", "ref": "r"}
	made, err := client.GenerateDataKey(t.Context(), &awskms.GenerateDataKeyInput{
		KeyId: new(TokenKeyARN), KeySpec: kmstypes.DataKeySpecAes256, EncryptionContext: bound,
	})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := client.Decrypt(t.Context(),
		&awskms.DecryptInput{KeyId: new(TokenKeyARN), CiphertextBlob: made.CiphertextBlob, EncryptionContext: bound})
	if err != nil || string(opened.Plaintext) != string(made.Plaintext) {
		t.Fatal("the data key does not open:", err)
	}
	for name, context := range map[string]map[string]string{
		"none": nil, "another": {"table": "t", "account_id": "1", "ref": "x"},
	} {
		_, err := client.Decrypt(t.Context(), &awskms.DecryptInput{
			KeyId: new(TokenKeyARN), CiphertextBlob: made.CiphertextBlob, EncryptionContext: context,
		})
		if _, ok := errors.AsType[*kmstypes.InvalidCiphertextException](err); !ok {
			t.Errorf("context %s: %v", name, err)
		}
	}
	if n := s.Calls("Decrypt"); n != 3 {
		t.Errorf("%d calls of Decrypt, want 3", n)
	}
}

func TestKMS_HoldsDataKeysBack(t *testing.T) {
	s, client, _ := start(t)
	release := s.HoldDataKeys()
	done := make(chan error)
	go func() {
		_, err := client.GenerateDataKey(context.Background(),
			&awskms.GenerateDataKeyInput{KeyId: new(TokenKeyARN), KeySpec: kmstypes.DataKeySpecAes256})
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatal("answered:", err)
	default:
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func attribute(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func put(token, content string) *dynamodb.PutItemInput {
	return &dynamodb.PutItemInput{
		TableName: new(Vault),
		Item: map[string]types.AttributeValue{
			"Hash_Key": attribute(token), "Account_Id": attribute("1"), "Content": attribute(content),
		},
		ConditionExpression:       new("attribute_not_exists(Hash_Key) OR Content = :same"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":same": attribute(content)},
	}
}

func TestDynamoDB_ChecksConditions(t *testing.T) {
	s, _, client := start(t)
	if _, err := client.PutItem(t.Context(), put("a", "x")); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutItem(t.Context(), put("a", "x")); err != nil {
		t.Error("the same again:", err)
	}
	if _, err := client.PutItem(t.Context(), put("a", "y")); !refused(err) {
		t.Error("another:", err)
	}
	got, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName:      new(Vault),
		Key:            map[string]types.AttributeValue{"Hash_Key": attribute("a"), "Account_Id": attribute("1")},
		ConsistentRead: new(true),
	})
	if err != nil || got.Item["Content"].(*types.AttributeValueMemberS).Value != "x" {
		t.Errorf("%v %v", got, err)
	}
	if u := s.Units(); u != (Units{Writes: 3, Reads: 1}) {
		t.Errorf("%+v", u)
	}
}

func refused(err error) bool {
	_, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	return ok
}

func TestDynamoDB_CountsUses(t *testing.T) {
	_, _, client := start(t)
	use := func() error {
		_, err := client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: new(State),
			Key: map[string]types.AttributeValue{
				"State_Key": attribute("use#a"), "Account_Id": attribute("1"),
			},
			UpdateExpression: new("SET Uses = if_not_exists(Uses, :zero) + :one, LastAttempt = :attempt"),
			ConditionExpression: new(
				"(attribute_not_exists(Uses) OR Uses >= :zero AND Uses < :max) AND attribute_exists(State_Key) OR attribute_not_exists(State_Key)"),
			ExpressionAttributeValues: map[string]types.AttributeValue{
				":zero": &types.AttributeValueMemberN{Value: "0"}, ":one": &types.AttributeValueMemberN{Value: "1"},
				":max": &types.AttributeValueMemberN{Value: "2"}, ":attempt": attribute("t"),
			},
		})
		return err
	}
	for range 2 {
		if err := use(); err != nil {
			t.Fatal(err)
		}
	}
	if err := use(); !refused(err) {
		t.Error("a third use:", err)
	}
}

func TestDynamoDB_ATransactionHappensAsAWholeOrNotAtAll(t *testing.T) {
	s, _, client := start(t)
	transact := func(token string) error {
		in := put(token, "x")
		_, err := client.TransactWriteItems(t.Context(),
			&dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Put: &types.Put{TableName: in.TableName, Item: in.Item}},
				{Put: &types.Put{
					TableName:           new(Index),
					Item:                map[string]types.AttributeValue{"Index_Key": attribute("i")},
					ConditionExpression: new("attribute_not_exists(Index_Key)"),
				}},
			}})
		return err
	}
	if err := transact("a"); err != nil {
		t.Fatal(err)
	}
	if u := s.Units(); u != (Units{Writes: 4}) {
		t.Errorf("a transaction of two small puts costs %+v", u)
	}
	err := transact("b")
	if e, ok := errors.AsType[*types.TransactionCanceledException](err); !ok || len(e.CancellationReasons) != 2 ||
		*e.CancellationReasons[1].Code != "ConditionalCheckFailed" {
		t.Error(err)
	}
	got, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName:      new(Vault),
		Key:            map[string]types.AttributeValue{"Hash_Key": attribute("b"), "Account_Id": attribute("1")},
		ConsistentRead: new(true),
	})
	if err != nil || got.Item != nil {
		t.Errorf("%v %v", got, err)
	}
}

func TestDynamoDB_WritesCostByTheLargerItem(t *testing.T) {
	s, _, client := start(t)
	large := put("a", strings.Repeat("x", 3000))
	if _, err := client.PutItem(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	before := s.Units()
	if _, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: new(Vault),
		Key:       map[string]types.AttributeValue{"Hash_Key": attribute("a"), "Account_Id": attribute("1")},
	}); err != nil {
		t.Fatal(err)
	}
	if used := s.Units().Since(before); before.Writes != 3 || used.Writes != 3 || s.Item("a", "1") != nil {
		t.Errorf("the put costs %+v, the delete %+v", before, used)
	}
}

func TestDynamoDB_RefusesAReadThatIsNotConsistent(t *testing.T) {
	_, _, client := start(t)
	if _, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: new(Vault),
		Key:       map[string]types.AttributeValue{"Hash_Key": attribute("a"), "Account_Id": attribute("1")},
	}); err == nil {
		t.Error("it is answered")
	}
}

func TestServer_ForgetsTheOldestRows(t *testing.T) {
	s, _, client := start(t)
	s.Limit(2)
	for _, token := range []string{"a", "b", "c", "d", "e"} {
		if _, err := client.PutItem(t.Context(), put(token, "x")); err != nil {
			t.Fatal(err)
		}
	}
	if s.Item("a", "1") != nil || s.Item("e", "1") == nil {
		t.Error("not the oldest rows are forgotten")
	}
}

func TestUnits_FollowTheSizeOfItems(t *testing.T) {
	item := []byte(`{"K":{"S":"abc"},"N":{"N":"1234"},"B":{"B":"AAAA"},"P":{"B":"AA=="}}`)
	if got := size(item); got != 1+3+1+3+1+3+1+1 {
		t.Errorf("size %d", got)
	}
	for bytes, want := range map[int64]int64{0: 1, 1: 1, 1024: 1, 1025: 2, 4096: 4} {
		if got := blocks(bytes, 1<<10); got != want {
			t.Errorf("%d bytes cost %d", bytes, got)
		}
	}
}

func TestScan_ReadsWhatClientsWrite(t *testing.T) {
	object := []byte("{ \"a\" : \"x\\\"}\", \"b\":[1,{\"c\":\"]\"}] ,\"d\":{\"e\":{}}, \"f\": true}")
	for name, want := range map[string]string{
		"a": `"x\"}"`, "b": `[1,{"c":"]"}]`, "d": `{"e":{}}`, "f": "true", "g": "",
	} {
		if got := string(member(object, name)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, bad := range []string{"", "[]", `{"a"`, `{"a":`, `{"a":"x`, `{"a":{`, `{"a":1`} {
		if members([]byte(bad), func(_, _ []byte) bool { return true }) == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	if _, err := compileCondition("size(a) > :b"); err == nil {
		t.Error("an unknown function is accepted")
	}
}

package measure

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/upstream"
)

// sdk does with the AWS SDK what a function could do itself: the floor under an operation. Its connections stay open.
type sdk struct {
	kms      *kms.Client
	dynamoDB *dynamodb.Client
	item     map[string]types.AttributeValue // a row of the extension, whose shape bare puts have
	key      map[string]types.AttributeValue
	blob     []byte // a wrapped data key
	bound    map[string]string
}

func newSDK(addr string, item []byte) (*sdk, error) {
	config := aws.Config{
		Region: "us-east-1", BaseEndpoint: new("http://" + addr),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDBENCHMARK", "secret", process.SessionToken),
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.Proxy, t.MaxIdleConnsPerHost = nil, 128
		}),
	}
	decoded, err := decodeItem(item)
	if err != nil {
		return nil, err
	}
	return &sdk{
		kms: kms.NewFromConfig(config), dynamoDB: dynamodb.NewFromConfig(config), item: decoded,
		key: map[string]types.AttributeValue{"Hash_Key": decoded["Hash_Key"], "Account_Id": decoded["Account_Id"]},
		bound: map[string]string{
			"table": upstream.Vault, "account_id": process.Account, "ref": "00112233445566778899aabbccddeeff",
		},
	}, nil
}

// sdkFor makes an SDK whose puts have the shape of the rows of an extension.
func (l *Lab) sdkFor(t *tenant) (*sdk, error) {
	item, err := l.itemOf(t)
	if err != nil {
		return nil, err
	}
	return newSDK(l.services.Addr(), item)
}

// itemOf returns a row that the extension has written.
func (l *Lab) itemOf(t *tenant) ([]byte, error) {
	conns, err := t.ext.Conns(1)
	if err != nil {
		return nil, err
	}
	token, err := tokenOf(conns[0].Post(pathTokenize, tokenizeBody))
	if err != nil {
		return nil, err
	}
	item := l.services.Item(token, process.Account)
	if item == nil {
		return nil, errors.New("a tokenize has put no row")
	}
	return item, nil
}

func decodeItem(item []byte) (map[string]types.AttributeValue, error) {
	var raw map[string]struct{ S, N, B *string }
	if err := json.Unmarshal(item, &raw); err != nil {
		return nil, err
	}
	decoded := map[string]types.AttributeValue{}
	for name, v := range raw {
		switch {
		case v.S != nil:
			decoded[name] = &types.AttributeValueMemberS{Value: *v.S}
		case v.N != nil:
			decoded[name] = &types.AttributeValueMemberN{Value: *v.N}
		case v.B != nil:
			b, err := base64.StdEncoding.DecodeString(*v.B)
			if err != nil {
				return nil, err
			}
			decoded[name] = &types.AttributeValueMemberB{Value: b}
		default:
			return nil, fmt.Errorf("attribute %s is of an unknown type", name)
		}
	}
	return decoded, nil
}

// put puts a new row.
func (s *sdk) put(ctx context.Context) error {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand aborts the program instead
	item := maps.Clone(s.item)
	item["Hash_Key"] = &types.AttributeValueMemberS{Value: hex.EncodeToString(random[:])}
	_, err := s.dynamoDB.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: new(upstream.Vault), Item: item, ConditionExpression: new("attribute_not_exists(Hash_Key)"),
	})
	return err
}

// wrap gets the data key that read decrypts.
func (s *sdk) wrap(ctx context.Context) error {
	out, err := s.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: new(upstream.TokenKeyARN), KeySpec: kmstypes.DataKeySpecAes256, EncryptionContext: s.bound,
	})
	if err != nil {
		return err
	}
	s.blob = out.CiphertextBlob
	return nil
}

// read reads a row, and then decrypts a data key.
func (s *sdk) read(ctx context.Context) error {
	row, err := s.dynamoDB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: new(upstream.Vault), Key: s.key, ConsistentRead: new(true),
	})
	if err != nil {
		return err
	}
	if row.Item == nil {
		return errors.New("the row is not there")
	}
	_, err = s.kms.Decrypt(ctx, &kms.DecryptInput{
		KeyId: new(upstream.TokenKeyARN), CiphertextBlob: s.blob, EncryptionContext: s.bound,
	})
	return err
}

func (s *sdk) puts(ctx context.Context, clients, total int) (load.Result, error) {
	return load.Run(ctx, clients, total, func(int) error { return s.put(ctx) })
}

func (s *sdk) reads(ctx context.Context, clients, total int) (load.Result, error) {
	return load.Run(ctx, clients, total, func(int) error { return s.read(ctx) })
}

// Worker does puts by the SDK in a process of its own, so that their CPU time can be told from that of the load and the
// fakes. Its first line of input is a row as JSON, each line after it a number of puts; it answers each with a line.
func Worker(ctx context.Context, addr string, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return errors.New("the worker has no row")
	}
	s, err := newSDK(addr, lines.Bytes())
	if err != nil {
		return err
	}
	for lines.Scan() {
		n, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			return err
		}
		if _, err := s.puts(ctx, busyClients, n); err != nil {
			return err
		}
		fmt.Fprintln(out, "done")
	}
	return lines.Err()
}

package cloud

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/cognitoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/kmsserver"
)

// services are KMS, DynamoDB and Cognito.
type services struct {
	endpoints endpoint.Set // of all three
	servers   servers      // of those that are served in process
	mail      mailbox
}

// startServices serves in process the services that are not elsewhere.
func startServices(o Options) (*services, error) {
	account, region := o.Account, o.Region
	s := &services{endpoints: endpoint.Set{}, mail: mailbox{log: o.Log, mailed: o.Mailed, codes: map[string]string{}}}
	maps.Copy(s.endpoints, o.External)
	for service, handler := range map[string]http.Handler{
		endpoint.KMS:      kmsserver.New(kmsserver.Config{AccountID: account, Region: region}),
		endpoint.DynamoDB: dynamoserver.New(dynamoserver.Config{AccountID: account, Region: region}),
		endpoint.Cognito: cognitoserver.New(cognitoserver.Config{
			AccountID: account, Region: region, Mail: s.mail.deliver,
		}),
	} {
		if _, ok := s.endpoints[service]; ok {
			continue
		}
		u, err := s.servers.serve("127.0.0.1:0", handler)
		if err != nil {
			s.servers.close()
			return nil, err
		}
		s.endpoints[service] = endpoint.Endpoint{Service: service, URL: u}
	}
	return s, nil
}

// Clients are SDK clients of the services. No policy restricts them.
type Clients struct {
	KMS      *kms.Client
	DynamoDB *dynamodb.Client
	Cognito  *cognitoidentityprovider.Client
}

func (s *services) clients(region string) Clients {
	return Clients{
		KMS:      kms.NewFromConfig(s.endpoints[endpoint.KMS].Config(region)),
		DynamoDB: dynamodb.NewFromConfig(s.endpoints[endpoint.DynamoDB].Config(region)),
		Cognito:  cognitoidentityprovider.NewFromConfig(s.endpoints[endpoint.Cognito].Config(region)),
	}
}

// mailbox keeps the last confirmation code that was mailed to each address.
type mailbox struct {
	log    io.Writer
	mailed func(to, code string) error // nil for none

	mu    sync.Mutex
	codes map[string]string // by address
}

// deliver also prints the mail, for a person who signs up by hand. Whoever types a card in place of an address does not
// find it in the log.
func (m *mailbox) deliver(to, code string) {
	if m.mailed != nil {
		if err := m.mailed(to, code); err != nil {
			fmt.Fprintf(m.log, "mail to %s: %v\n", mask.Cards(to), err)
		}
	}
	fmt.Fprintf(m.log, "mail to %s: your confirmation code is %s\n", mask.Cards(to), code)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.codes[to] = code
}

func (m *mailbox) code(email string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if code, ok := m.codes[email]; ok {
		return code, nil
	}
	return "", errors.New("no code has been mailed to this address")
}

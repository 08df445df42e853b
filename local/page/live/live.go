// Package live shows a running system on a page.
//
//	recorder := record.New()
//	system, err := cloud.Deploy(ctx, cloud.Options{Watcher: recorder.Watcher(), ...})
//	shown, err := live.Serve(live.Options{System: system, Assembly: a, Recorder: recorder, Root: root})
//	fmt.Println(shown.Link())
//	defer shown.Close()
package live

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/attempt"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/dataflow"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/inventory"
)

// Options say what is shown.
type Options struct {
	System   *cloud.Cloud
	Assembly *assembly.Assembly
	Recorder *record.Recorder
	// Root is the directory of the module, which has the documents.
	Root string
	// Opened gets the link for the next browser, each time that one was used; nil for nobody.
	Opened func(link string)
}

// Served is a page that is being served.
type Served struct {
	page   *page.Page
	server *http.Server
	done   chan struct{}
}

// Serve serves the page on a free port of 127.0.0.1.
func Serve(o Options) (*Served, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p, err := newPage(o, listener.Addr().String())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s := &Served{p, &http.Server{
		Handler: p, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, DisableGeneralOptionsHandler: true,
		ErrorLog: log.New(io.Discard, "", 0), // its errors may quote requests
	}, make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener)
	}()
	return s, nil
}

// Link is the address to open, which works once.
func (s *Served) Link() string { return s.page.Link() }

// Close ends the server, with the browsers that listen.
func (s *Served) Close() error {
	err := s.server.Close()
	<-s.done
	return err
}

func newPage(o Options, addr string) (*page.Page, error) {
	threats, err := os.ReadFile(filepath.Join(o.Root, "docs", "threat-model.md"))
	if err != nil {
		return nil, err
	}
	inv, err := inventory.Read(o.Assembly)
	if err != nil {
		return nil, err
	}
	flow, err := report.Flow(inv)
	if err != nil {
		return nil, err
	}
	return page.New(page.Config{
		Addr: addr, Users: users{o.System}, Tables: tables{o.System}, Lab: attempt.New(o.System, o.Recorder),
		Recorder: o.Recorder, Outputs: o.System.Outputs, Endpoints: o.System.Endpoints, Keys: o.System.Keys,
		Architecture: dataflow.SVG(flow), ThreatModel: string(threats), Opened: o.Opened,
	})
}

// users are those of the system's user pool.
type users struct{ system *cloud.Cloud }

func (u users) client() *string { return new(u.system.Outputs["UserPoolAppClientId"]) }

func (u users) SignUp(ctx context.Context, email, password string) error {
	_, err := u.system.Clients.Cognito.SignUp(ctx, &cognitoidentityprovider.SignUpInput{
		ClientId: u.client(), Username: &email, Password: &password,
		UserAttributes: []cognitotypes.AttributeType{{Name: new("email"), Value: &email}},
	})
	return err
}

func (u users) Code(email string) (string, error) {
	if u.system.Code == nil {
		return "", errors.New("mail goes elsewhere")
	}
	return u.system.Code(email)
}

func (u users) Confirm(ctx context.Context, email, code string) error {
	_, err := u.system.Clients.Cognito.ConfirmSignUp(ctx, &cognitoidentityprovider.ConfirmSignUpInput{
		ClientId: u.client(), Username: &email, ConfirmationCode: &code,
	})
	return err
}

func (u users) SignIn(ctx context.Context, email, password string) (idToken string, err error) {
	out, err := u.system.Clients.Cognito.InitiateAuth(ctx, &cognitoidentityprovider.InitiateAuthInput{
		AuthFlow: cognitotypes.AuthFlowTypeUserPasswordAuth, ClientId: u.client(),
		AuthParameters: map[string]string{"USERNAME": email, "PASSWORD": password},
	})
	switch {
	case err != nil:
		return "", err
	case out.AuthenticationResult == nil || out.AuthenticationResult.IdToken == nil:
		return "", errors.New("the answer has no ID token")
	}
	return *out.AuthenticationResult.IdToken, nil
}

// tables are those of the system.
type tables struct{ system *cloud.Cloud }

func (t tables) Rows(ctx context.Context, table string, limit int) (rows []page.Row, err error) {
	pages := dynamodb.NewScanPaginator(t.system.Clients.DynamoDB, &dynamodb.ScanInput{
		TableName: &table, Limit: new(int32(limit)), ConsistentRead: new(true),
	})
	for pages.HasMorePages() && len(rows) < limit {
		got, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, item := range got.Items[:min(len(got.Items), limit-len(rows))] {
			rows = append(rows, rowOf(item))
		}
	}
	return rows, nil
}

func rowOf(item map[string]types.AttributeValue) page.Row {
	row := page.Row{Text: map[string]string{}, Binary: map[string][]byte{}}
	for name, value := range item {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			row.Text[name] = v.Value
		case *types.AttributeValueMemberN:
			row.Text[name] = v.Value
		case *types.AttributeValueMemberB:
			row.Binary[name] = v.Value
		}
	}
	return row
}

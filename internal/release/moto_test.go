package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

const motoRegion = "us-east-1" // where S3 makes a bucket without being told the region

// moto is a running moto_server: CloudFormation, and the services whose resources it makes, by somebody else. The calls
// are plain HTTP, as the release must need no SDK that the project does not have otherwise.
type moto struct{ endpoint string }

// startMoto starts a server that no other test shares.
func startMoto(t *testing.T) moto {
	t.Helper()
	needed.Program(t, "moto_server")
	server, err := kit.StartProcess(exec.Command("moto_server", "-H", "127.0.0.1", "-p", "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	if err := server.Await(server.Stderr.SeenLine("Running on "), kit.Limit); err != nil {
		t.Fatal(err)
	}
	return moto{regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(server.Stderr.String())}
}

// send sends a request to a service, whose name is in the header that carries the signature, and returns the answer.
func (m moto) send(t *testing.T, service, method, path string, header http.Header, body []byte) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, m.endpoint+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header.Clone()
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20261126/"+motoRegion+"/"+service+
		"/aws4_request, SignedHeaders=host, Signature=none")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// query calls an operation of CloudFormation or IAM. An answer that is no success is an error.
func (m moto) query(t *testing.T, service, action string, parameters url.Values, out any) error {
	t.Helper()
	form := url.Values{"Action": {action}}
	for name, values := range parameters {
		form[name] = values
	}
	status, answer := m.send(t, service, http.MethodPost, "/",
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
	if status != http.StatusOK {
		return fmt.Errorf("%s: status %d: %s", action, status, answer)
	}
	if out == nil {
		return nil
	}
	return xml.Unmarshal(answer, out)
}

// call calls an operation of a service that speaks JSON, such as "DynamoDB_20120810.DescribeTable".
func (m moto) call(t *testing.T, service, target string, in object, out any) error {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	status, answer := m.send(t, service, http.MethodPost, "/",
		http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {target}}, body)
	if status != http.StatusOK {
		return fmt.Errorf("%s: status %d: %s", target, status, answer)
	}
	return json.Unmarshal(answer, out)
}

// rest calls an operation of S3 or Lambda. What is not nil takes the JSON of the answer.
func (m moto) rest(t *testing.T, service, method, path string, body []byte, out any) {
	t.Helper()
	status, answer := m.send(t, service, method, path, http.Header{}, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: status %d: %s", method, path, status, answer)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		t.Fatal(err)
	}
}

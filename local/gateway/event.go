package gateway

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// event is what the function gets, but for claims and body, which the checks add.
// See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format
func (g *Gateway) event(route *route, r *http.Request, path, id string,
	now time.Time) events.APIGatewayProxyRequest {
	headers := r.Header.Clone()
	headers.Set("Host", r.Host) // net/http takes it out of the headers
	var query map[string][]string
	if r.URL.RawQuery != "" {
		query = r.URL.Query()
	}
	return events.APIGatewayProxyRequest{
		Resource: route.Path, Path: path, HTTPMethod: r.Method,
		Headers: lastValues(headers), MultiValueHeaders: headers,
		QueryStringParameters: lastValues(query), MultiValueQueryStringParameters: query,
		RequestContext: g.requestContext(route, r, id, now),
	}
}

func (g *Gateway) requestContext(route *route, r *http.Request, id string,
	now time.Time) events.APIGatewayProxyRequestContext {
	sourceIP, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		sourceIP = r.RemoteAddr
	}
	return events.APIGatewayProxyRequestContext{
		AccountID: g.config.AccountID, APIID: g.config.APIID, Stage: g.config.Stage,
		DomainName: g.config.APIID + ".execute-api." + g.config.Region + ".amazonaws.com", DomainPrefix: g.config.APIID,
		ResourcePath: route.Path, Path: r.URL.EscapedPath(), HTTPMethod: r.Method, Protocol: r.Proto,
		RequestID: id, RequestTime: now.UTC().Format("02/Jan/2006:15:04:05 -0700"), RequestTimeEpoch: now.UnixMilli(),
		Identity: events.APIGatewayRequestIdentity{SourceIP: sourceIP, UserAgent: r.UserAgent()},
	}
}

// lastValues returns the last value of each name. Without names it returns nil, which is null in the event.
func lastValues(all map[string][]string) map[string]string {
	if len(all) == 0 {
		return nil
	}
	last := make(map[string]string, len(all))
	for name, values := range all {
		if len(values) > 0 {
			last[name] = values[len(values)-1]
		}
	}
	return last
}

// remapped are headers of the connection, which a function cannot set.
// See https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
var remapped = []string{
	"Connection", "Content-Length", "Date", "Server", "Trailer", "Transfer-Encoding", "Upgrade", "Www-Authenticate",
}

// respond writes the function's answer. If the answer is malformed, respond writes nothing and says so.
// See
// https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-output-format
func respond(w http.ResponseWriter, answer []byte) (status int, _ *failure) {
	var response events.APIGatewayProxyResponse
	if json.Unmarshal(answer, &response) != nil || response.StatusCode < 200 || response.StatusCode > 599 {
		return 0, badIntegration("the function's answer is not a proxy response")
	}
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(response.Body); err != nil {
			return 0, badIntegration("the function's answer is not base64")
		}
	}
	headers := w.Header()
	headers.Set("Content-Type", "application/json") // unless the function says otherwise
	for name, values := range merge(response) {
		if slices.Contains(remapped, name) {
			name = "X-Amzn-Remapped-" + name
		}
		if name != "X-Amzn-Requestid" { // the gateway's own
			headers[name] = values
		}
	}
	w.WriteHeader(response.StatusCode)
	_, _ = w.Write(body) // the client has gone if this fails
	return response.StatusCode, nil
}

// merge adds headers to multiValueHeaders. A value that is in both counts once.
func merge(response events.APIGatewayProxyResponse) http.Header {
	merged := http.Header{}
	for name, values := range response.MultiValueHeaders {
		for _, value := range values {
			merged.Add(name, value)
		}
	}
	for name, value := range response.Headers {
		if !slices.Contains(merged.Values(name), value) {
			merged.Add(name, value)
		}
	}
	return merged
}

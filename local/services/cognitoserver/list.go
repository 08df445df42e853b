package cognitoserver

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

const maxListed = 60 // in one answer

func (u *user) attributes() []object {
	attributes := []object{{"Name": "sub", "Value": u.sub}}
	if u.email != "" {
		attributes = append(attributes, object{"Name": "email", "Value": u.email},
			object{"Name": "email_verified", "Value": strconv.FormatBool(u.emailVerified)})
	}
	return attributes
}

// describe returns the user as administrators see it. Its caller holds the server's mu.
func (u *user) describe(attributes string) object {
	status := "UNCONFIRMED"
	if u.confirmed {
		status = "CONFIRMED"
	}
	return object{
		"Username": u.name, attributes: u.attributes(), "Enabled": true, "UserStatus": status,
		"UserCreateDate": u.created.Unix(), "UserLastModifiedDate": u.created.Unix(),
	}
}

func (s *Server) adminGetUser(_ context.Context, in struct{ UserPoolId, Username string }) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.findPool(in.UserPoolId)
	if err != nil {
		return nil, err
	}
	u := p.find(in.Username)
	if u == nil {
		return nil, errNoUser
	}
	return u.describe("UserAttributes"), nil
}

type listUsersInput struct {
	UserPoolId, Filter, PaginationToken string
	AttributesToGet                     []string
	Limit                               int
}

func (s *Server) listUsers(_ context.Context, in listUsersInput) (object, error) {
	if in.Filter != "" || in.AttributesToGet != nil {
		return nil, awsjson.Errorf("InvalidParameterException",
			"the local Cognito lacks Filter and AttributesToGet of ListUsers: leave them out")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.findPool(in.UserPoolId)
	if err != nil {
		return nil, err
	}
	users := map[string]object{}
	for _, u := range p.users {
		users[u.name] = u.describe("Attributes")
	}
	return page("Users", users, in.PaginationToken, in.Limit, "PaginationToken")
}

type listUserPoolsInput struct {
	NextToken  string
	MaxResults int
}

func (s *Server) listUserPools(_ context.Context, in listUserPoolsInput) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pools := map[string]object{}
	for id, p := range s.pools {
		pools[id] = object{
			"Id": id, "Name": p.name, "CreationDate": p.created.Unix(), "LastModifiedDate": p.created.Unix(),
		}
	}
	return page("UserPools", pools, in.NextToken, in.MaxResults, "NextToken")
}

// page lists entries in the order of their names. A token is the last name of the page before; limit 0 means 60.
func page(list string, entries map[string]object, after string, limit int, token string) (object, error) {
	if limit == 0 {
		limit = maxListed
	}
	if limit < 0 || limit > maxListed {
		return nil, awsjson.Errorf("InvalidParameterException", "want at most %d in one answer", maxListed)
	}
	names, more := awsjson.Page(slices.Collect(maps.Keys(entries)), after, limit)
	listed := make([]object, len(names))
	for i, name := range names {
		listed[i] = entries[name]
	}
	out := object{list: listed}
	if more {
		out[token] = names[len(names)-1]
	}
	return out, nil
}

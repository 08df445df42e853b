package cognitoserver_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/google/go-cmp/cmp"
)

const newPassword = "Another-horse-9"

func (w *world) resend(name string) (destination string, err error) {
	out, err := w.ResendConfirmationCode(w.t.Context(),
		&cognito.ResendConfirmationCodeInput{ClientId: &w.clientID, Username: &name})
	if err != nil {
		return "", err
	}
	return *out.CodeDeliveryDetails.Destination, nil
}

func (w *world) forget(name string) error {
	_, err := w.ForgotPassword(w.t.Context(),
		&cognito.ForgotPasswordInput{ClientId: &w.clientID, Username: &name})
	return err
}

func (w *world) reset(name, code, password string) error {
	_, err := w.ConfirmForgotPassword(w.t.Context(), &cognito.ConfirmForgotPasswordInput{
		ClientId: &w.clientID, Username: &name, ConfirmationCode: &code, Password: &password,
	})
	return err
}

func (w *world) change(token, previous, proposed string) error {
	_, err := w.ChangePassword(w.t.Context(), &cognito.ChangePasswordInput{
		AccessToken: &token, PreviousPassword: &previous, ProposedPassword: &proposed,
	})
	return err
}

// last returns the last code that was mailed to an address, or a wrong one.
func (w *world) last(to string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if codes := w.codes[to]; len(codes) > 0 {
		return codes[len(codes)-1]
	}
	return "none"
}

// signsIn checks which of two passwords works.
func (w *world) signsIn(works, fails string) {
	w.t.Helper()
	if _, err := w.signIn(email, works); err != nil {
		w.t.Error(err)
	}
	_, err := w.signIn(email, fails)
	wantError(w.t, err, "NotAuthorizedException", "Incorrect username or password.")
}

func TestResend_ReplacesTheCode(t *testing.T) {
	w := newAppWorld(t)
	if _, err := w.signUp(email, password); err != nil {
		t.Fatal(err)
	}
	first := w.last(email)
	w.wait(23 * time.Hour)
	for w.last(email) == first { // one of a million codes is the same
		if to, err := w.resend(email); err != nil || to != "j***@e***" {
			t.Fatalf("%q, %v", to, err)
		}
	}
	wantError(t, w.confirm(email, first), "CodeMismatchException", "")
	w.wait(2 * time.Hour)
	if err := w.confirm(email, w.last(email)); err != nil {
		t.Error(err)
	}
}

func TestForgotPassword_IsReplacedWithACode(t *testing.T) {
	w := newAppWorld(t)
	w.newUser(email)
	wantError(t, w.reset(email, "123456", newPassword), "ExpiredCodeException", "request a code again")
	if err := w.forget(email); err != nil {
		t.Fatal(err)
	}
	code := w.last(email)
	wantError(t, w.reset(email, "wrong", newPassword), "CodeMismatchException", "")
	wantError(t, w.reset(email, code, "Correct-horse"), "InvalidPasswordException",
		"Password does not conform to policy: Password must have numeric characters")
	w.wait(time.Hour)
	wantError(t, w.reset(email, code, newPassword), "ExpiredCodeException", "")
	w.signsIn(password, newPassword)

	if err := w.forget(email); err != nil {
		t.Fatal(err)
	}
	code = w.last(email)
	if err := w.reset(email, code, newPassword); err != nil {
		t.Fatal(err)
	}
	w.signsIn(newPassword, password)
	wantError(t, w.reset(email, code, password), "ExpiredCodeException", "")
}

func TestForgotPassword_BoundsGuesses(t *testing.T) {
	w := newAppWorld(t)
	w.newUser(email)
	if err := w.forget(email); err != nil {
		t.Fatal(err)
	}
	for range 15 {
		wantError(t, w.reset(email, "wrong", newPassword), "CodeMismatchException", "")
	}
	wantError(t, w.reset(email, w.last(email), newPassword), "LimitExceededException", "")
}

func TestRecovery_HidesWhoExistsIfTheClientSaysSo(t *testing.T) {
	pool, client := theApps()
	const unknown, unconfirmed = "nobody@example.com", "una@example.com"
	for setting, want := range map[types.PreventUserExistenceErrorTypes]struct {
		resend, forget, unverified, none, reset string
	}{
		"ENABLED": {"", "", "", "", "CodeMismatchException"},
		"LEGACY": {
			"InvalidParameterException", "UserNotFoundException", "InvalidParameterException",
			"UserNotFoundException", "UserNotFoundException",
		},
	} {
		t.Run(string(setting), func(t *testing.T) {
			client.PreventUserExistenceErrors = setting
			w := newWorld(t, pool, client)
			w.newUser(email)
			if _, err := w.signUp(unconfirmed, password); err != nil {
				t.Fatal(err)
			}
			mailed := len(w.codes)
			check := func(err error, code string) {
				t.Helper()
				if code != "" {
					wantError(t, err, code, "")
				} else if err != nil {
					t.Error(err)
				}
			}
			_, err := w.resend(email)
			check(err, want.resend)
			_, err = w.resend(unknown)
			check(err, want.none)
			check(w.forget(unknown), want.forget)
			check(w.forget(unconfirmed), want.unverified)
			check(w.reset(unknown, "123456", newPassword), want.reset)
			if len(w.codes) != mailed || len(w.codes[email]) != 1 || len(w.codes[unconfirmed]) != 1 {
				t.Errorf("codes were mailed: %v", w.codes)
			}
		})
	}
}

func TestChangePassword_NeedsTheOldOneAndAnAccessToken(t *testing.T) {
	w := newAppWorld(t)
	w.newUser(email)
	tokens, err := w.signIn(email, password)
	if err != nil {
		t.Fatal(err)
	}
	access := *tokens.AccessToken
	wantError(t, w.change(access, newPassword, newPassword), "NotAuthorizedException",
		"Incorrect username or password.")
	wantError(t, w.change(access, password, "short"), "InvalidPasswordException",
		"Password does not conform to policy: Password not long enough")
	wantError(t, w.change(access, password, newPassword+" "), "InvalidParameterException",
		"Value at 'proposedPassword'")
	wantError(t, w.change(access, " "+password, newPassword), "InvalidParameterException",
		"Value at 'previousPassword'")
	for _, wrong := range []string{*tokens.IdToken, "x", access[:len(access)-8] + "AAAAAAAA"} {
		wantError(t, w.change(wrong, password, newPassword), "NotAuthorizedException", "Invalid Access Token")
	}
	if err := w.change(access, password, newPassword); err != nil {
		t.Fatal(err)
	}
	w.signsIn(newPassword, password)
	w.wait(time.Hour)
	wantError(t, w.change(access, newPassword, password), "NotAuthorizedException", "Access Token has expired")
}

func TestGetUser_TellsTheHolderOfTheAccessToken(t *testing.T) {
	w := newAppWorld(t)
	w.newUser("first@example.com")
	signed, err := w.signUp(email, password)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.confirm(email, w.code(email)); err != nil {
		t.Fatal(err)
	}
	tokens, err := w.signIn(email, password)
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.GetUser(t.Context(), &cognito.GetUserInput{AccessToken: tokens.AccessToken})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"Username": *out.Username}
	for _, attribute := range out.UserAttributes {
		got[*attribute.Name] = *attribute.Value
	}
	want := map[string]string{
		"Username": *signed.UserSub, "sub": *signed.UserSub, "email": email, "email_verified": "true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = w.GetUser(t.Context(), &cognito.GetUserInput{AccessToken: tokens.IdToken})
	wantError(t, err, "NotAuthorizedException", "Invalid Access Token")
}

// Cognito checks these before it looks at pool and user. What a caller sent is not repeated.
func TestMembers_MustHaveTheirForm(t *testing.T) {
	w := newAppWorld(t)
	signUp := func(name, password string) error { _, err := w.signUp(name, password); return err }
	const (
		passwordPattern = "Value at 'password' failed to satisfy constraint: Member must satisfy regular expression " +
			`pattern: ^[\S]+.*[\S]+$`
		one = "1 validation error detected: "
	)
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a space after the password":  {signUp(email, "Passw0rd!aaaa "), one + passwordPattern},
		"a space before it":           {signUp(email, " Passw0rd!aaaa"), one + passwordPattern},
		"a tab after it":              {signUp(email, "Passw0rd!aaaa\t"), one + passwordPattern},
		"a line's end after it":       {signUp(email, "Passw0rd!aaaa\n"), one + passwordPattern},
		"one character":               {signUp(email, "P"), one + passwordPattern},
		"no password":                 {signUp(email, ""), one + passwordPattern},
		"spaces":                      {signUp(email, strings.Repeat(" ", 12)), one + passwordPattern},
		"a password that is too long": {signUp(email, strings.Repeat("ä", 257)), "less than or equal to 256"},
		"a new password":              {w.reset(email, "1", newPassword+" "), one + passwordPattern},
		"a name with a space":         {signUp("a b@example.com", password), "Value at 'username'"},
		"a name that is too long":     {signUp(strings.Repeat("x", 129), password), "less than or equal to 128"},
		"two members":                 {signUp("a b", "x "), "2 validation errors detected: Value at 'username'"},
		"a code with a space":         {w.confirm(email, "123 456"), `pattern: [\S]+`},
		"no code":                     {w.confirm(email, ""), "greater than or equal to 1"},
		"a code for a new password":   {w.reset(email, " ", newPassword), "Value at 'confirmationCode'"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, test.err, "InvalidParameterException", test.want)
			if test.err != nil && strings.Contains(test.err.Error(), "Passw0rd") {
				t.Error("the error has the password")
			}
		})
	}
	if len(w.codes) > 0 {
		t.Errorf("codes were mailed: %v", w.codes)
	}
}

func TestRecovery_MayHappenWhileTheUserSignsIn(t *testing.T) {
	w := newAppWorld(t)
	w.newUser(email)
	tokens, err := w.signIn(email, password)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() { _, _ = w.signIn(email, password) })
		group.Go(func() { _ = w.forget(email) })
		group.Go(func() { _ = w.change(*tokens.AccessToken, password, password) })
	}
	group.Wait()
	w.signsIn(password, newPassword)
}

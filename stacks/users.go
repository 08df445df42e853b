package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
)

type users struct {
	pool   awscognito.UserPool
	client awscognito.UserPoolClient
}

var secondFactors = map[string]awscognito.Mfa{
	"":          awscognito.Mfa_OPTIONAL,
	MFAOptional: awscognito.Mfa_OPTIONAL,
	MFARequired: awscognito.Mfa_REQUIRED,
	MFAOff:      awscognito.Mfa_OFF,
}

type usersProps struct {
	PoolName         string
	MFA              string // [MFAOptional] and so on; "" means [MFAOptional]
	ThreatProtection bool
	Destroyable      bool
}

// newUsers makes the user pool: users sign up with their e-mail address and confirm it with a code.
func newUsers(stack awscdk.Stack, props usersProps) users {
	plan, threats := awscognito.FeaturePlan_ESSENTIALS, awscognito.StandardThreatProtectionMode("") // "": not mentioned
	if props.ThreatProtection {
		plan, threats = awscognito.FeaturePlan_PLUS, awscognito.StandardThreatProtectionMode_FULL_FUNCTION
	}
	pool := awscognito.NewUserPool(stack, new("UserPool"), &awscognito.UserPoolProps{
		UserPoolName:        &props.PoolName,
		SelfSignUpEnabled:   new(true),
		SignInAliases:       &awscognito.SignInAliases{Email: new(true)},
		SignInCaseSensitive: new(false), // as e-mail addresses are in practice; cannot be changed later
		AutoVerify:          &awscognito.AutoVerifiedAttrs{Email: new(true)},
		AccountRecovery:     awscognito.AccountRecovery_EMAIL_ONLY,
		PasswordPolicy: &awscognito.PasswordPolicy{
			MinLength:            new(12.0),
			RequireDigits:        new(true),
			RequireLowercase:     new(true),
			RequireUppercase:     new(true),
			RequireSymbols:       new(true),
			TempPasswordValidity: awscdk.Duration_Days(new(1.0)),
		},
		Mfa:                          secondFactors[props.MFA],
		MfaSecondFactor:              &awscognito.MfaSecondFactor{Otp: new(true), Sms: new(false)},
		FeaturePlan:                  plan,
		StandardThreatProtectionMode: threats,
		DeletionProtection:           new(!props.Destroyable),
		RemovalPolicy:                removalPolicy(props.Destroyable),
	})
	client := pool.AddClient(new("AppClient"), &awscognito.UserPoolClientOptions{
		// No secret: the walkthrough's `aws cognito-idp` commands, and any browser, could not keep one.
		GenerateSecret:             new(false),
		AuthFlows:                  &awscognito.AuthFlow{UserPassword: new(true)},
		DisableOAuth:               new(true),
		PreventUserExistenceErrors: new(true),
		// Long enough for the walkthrough by hand; the refresh token ends a session after a day.
		IdTokenValidity:       awscdk.Duration_Hours(new(1.0)),
		AccessTokenValidity:   awscdk.Duration_Hours(new(1.0)),
		RefreshTokenValidity:  awscdk.Duration_Days(new(1.0)),
		AuthSessionValidity:   awscdk.Duration_Minutes(new(3.0)), // between password and second factor
		EnableTokenRevocation: new(true),
	})
	return users{pool: pool, client: client}
}

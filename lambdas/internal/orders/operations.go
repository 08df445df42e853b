package orders

import (
	"context"
	"net/http"
)

// PlaceOperation is POST /order.
func PlaceOperation(p *Orders) Operation {
	return func(ctx context.Context, caller string, body []byte) (Answer, error) {
		var r PlaceRequest
		if err := decode(body, &r); err != nil {
			return Answer{}, err
		}
		order, err := p.Place(ctx, caller, r)
		if err != nil {
			return Answer{}, err
		}
		return Answer{http.StatusCreated, PlaceResponse{
			"Order Created Successfully", order.Number, order.Token, order.CardBrand, order.CardLastFour,
		}}, nil
	}
}

// PlaceResponse is the body of 201 to POST /order. The message is the walkthrough's.
type PlaceResponse struct {
	Message         string `json:"message"`
	CustomerOrder   string `json:"CustomerOrder"`
	CreditCardToken string `json:"CreditCardToken"`
	// CardBrand and CardLastFour name the card to the person who gave it.
	CardBrand    string `json:"CardBrand"`
	CardLastFour string `json:"CardLastFour"`
}

// PayOperation is POST /paybill.
func PayOperation(p *Payments) Operation {
	return func(ctx context.Context, caller string, body []byte) (Answer, error) {
		var r PayRequest
		if err := decode(body, &r); err != nil {
			return Answer{}, err
		}
		payment, err := p.Pay(ctx, caller, r)
		if err != nil {
			return Answer{}, err
		}
		o := payment.Order
		return Answer{http.StatusOK, PayResponse{"Payment Submitted Successfully", o.Number, payment.Mask, payment.ID}},
			nil
	}
}

// PayResponse is the body of 200 to POST /paybill. The message is the walkthrough's.
type PayResponse struct {
	Message       string `json:"message"`
	CustomerOrder string `json:"CustomerOrder"`
	// CreditCardCharged is the card's mask.
	CreditCardCharged string `json:"CreditCardCharged"`
	PaymentID         string `json:"PaymentId"`
}

package figures

// Price is a list price.
type Price struct {
	What   string
	USD    float64 // for one
	Text   string
	Source string
	Date   string
}

// The list prices, in us-east-1, without free tiers, fixed monthly prices, storage and data transfer.
var (
	KMSCall = Price{
		"a call of KMS", 0.03 / 10_000, "0.03 USD for 10,000", "https://aws.amazon.com/kms/pricing/",
		"November 2026",
	}
	Write = Price{
		"a DynamoDB write unit, on demand", 0.625 / 1e6, "0.625 USD for a million",
		"https://aws.amazon.com/dynamodb/pricing/on-demand/", "November 2026",
	}
	Read = Price{
		"a DynamoDB read unit, on demand", 0.125 / 1e6, "0.125 USD for a million",
		"https://aws.amazon.com/dynamodb/pricing/on-demand/", "November 2026",
	}
)

// Prices are all list prices.
func Prices() []Price { return []Price{KMSCall, Write, Read} }

// Cost is what a million operations cost, in USD, of which each makes so many calls of KMS and uses so many units.
func Cost(kms, writes, reads float64) float64 {
	return 1e6 * (kms*KMSCall.USD + writes*Write.USD + reads*Read.USD)
}

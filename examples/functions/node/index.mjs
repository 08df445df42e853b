// Reads a card back, masked: {"token": "..."} -> {"card": "************1111"}.
import { detokenize, TokenizerError } from "/opt/nodejs/node_modules/@lambda-tokenizer/client/index.mjs"; // from the layer

export async function handler(event) {
  try {
    const { data } = await detokenize(event.token); // ask for { redaction: "PLAIN_TEXT" } only where you must
    return { card: data };
  } catch (error) {
    if (error instanceof TokenizerError) return { error: error.code }; // the code says what to do
    throw error;
  }
}

// Swaps a card number for a token: {"card": "4111 1111 1111 1111"} -> {"token": "..."}.
import { tokenize } from "/opt/nodejs/node_modules/@lambda-tokenizer/client/index.mjs"; // from the layer

export async function handler(event) {
  const { token } = await tokenize(event.card);
  return { token };
}

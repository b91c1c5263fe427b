// A DPoP client (RFC 9449): a key that cannot leave the browser, and a proof for each request.
const RESOURCE = "/dpop/things";
const TOKEN_ENDPOINT = "/dpop/token";
let client = null;

const base64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const encoded = (value) => base64url(new TextEncoder().encode(JSON.stringify(value)));

async function makeKey() {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  return { privateKey, jwk: { kty, crv, x, y } };
}

async function signedProof({ privateKey, jwk }, method, path, accessToken) {
  const header = { typ: "dpop+jwt", alg: "ES256", jwk };
  const claims = {
    jti: crypto.randomUUID(),
    htm: method,
    htu: location.origin + path,
    iat: Math.floor(Date.now() / 1000),
  };
  if (accessToken) {
    const bytes = new TextEncoder().encode(accessToken);
    claims.ath = base64url(await crypto.subtle.digest("SHA-256", bytes));
  }
  const input = `${encoded(header)}.${encoded(claims)}`;
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(
    algorithm, privateKey, new TextEncoder().encode(input));
  return `${input}.${base64url(signature)}`;
}

/* The key of this page, and an access token that is bound to it. */
async function makeClient() {
  const key = await makeKey();
  const proof = await signedProof(key, "POST", TOKEN_ENDPOINT);
  const answer = await fetch(TOKEN_ENDPOINT, { method: "POST", headers: { DPoP: proof } });
  if (!answer.ok) throw new Error(`No access token could be had: ${answer.status}`);
  return { ...key, accessToken: (await answer.json()).access_token };
}

export async function freshProof() {
  client ??= await makeClient();
  const { accessToken } = client;
  const token = await signedProof(client, "GET", RESOURCE, accessToken);
  const headers = { Authorization: `DPoP ${accessToken}`, DPoP: token };
  return { method: "GET", path: RESOURCE, headers, token, accessToken };
}

// A client that has a key only: it asks for an access token, uses it, and sends a proof twice.

import { readFileSync } from 'node:fs'
import { calculateThumbprint, generateKeyPair, generateProof } from 'dpop'

const { algorithms, token, resource } = JSON.parse(readFileSync(0, 'utf8'))

async function client(algorithm) {
  const keyPair = await generateKeyPair(algorithm)
  let nonce
  let retries = 0
  let sent

  async function send(method, url, accessToken) {
    for (;;) {
      const proof = await generateProof(keyPair, url, method, nonce, accessToken)
      sent = { DPoP: proof, ...(accessToken && { Authorization: `DPoP ${accessToken}` }) }
      const answer = await fetch(url, { method, headers: sent })
      const previous = nonce
      nonce = answer.headers.get('DPoP-Nonce') ?? nonce
      if (answer.ok || nonce === previous) return answer
      retries += 1
    }
  }

  const issued = await (await send('POST', token)).json()
  const first = await send('GET', resource, issued.access_token)
  const second = await send('GET', resource, issued.access_token)
  const replayed = await fetch(resource, { headers: sent })
  const [, claims] = issued.access_token.split('.')
  const bound = JSON.parse(Buffer.from(claims, 'base64url')).cnf.jkt
  return {
    retries,
    bound: bound === (await calculateThumbprint(keyPair.publicKey)),
    answers: [first.status, second.status, replayed.status],
    challenge: replayed.headers.get('WWW-Authenticate'),
  }
}

const found = {}
for (const algorithm of algorithms) found[algorithm] = await client(algorithm)
console.log(JSON.stringify(found))

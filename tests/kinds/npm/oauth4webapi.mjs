// A client that authenticates with an assertion, and asks for a resource with a bound token.

import { readFileSync } from 'node:fs'
import * as oauth from 'oauth4webapi'

const { server, client, key, parameters, resource } = JSON.parse(readFileSync(0, 'utf8'))

let retries = 0
let sent
const options = {
  DPoP: oauth.DPoP(client, await oauth.generateKeyPair('ES256')),
  [oauth.allowInsecureRequests]: true,
  [oauth.customFetch]: (url, init) => {
    sent = init
    return fetch(url, init)
  },
}

async function withNonce(attempt) {
  try {
    return await attempt()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    retries += 1
    return attempt()
  }
}

const curve = { name: 'ECDSA', namedCurve: 'P-256' }
const privateKey = await crypto.subtle.importKey('jwk', key, curve, false, ['sign'])
const authentication = oauth.PrivateKeyJwt({ key: privateKey, kid: key.kid })

const issued = await withNonce(async () =>
  oauth.processClientCredentialsResponse(
    server,
    client,
    await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, options),
  ),
)

const answers = []
for (let i = 0; i < 2; i += 1) {
  const answer = await withNonce(() =>
    oauth.protectedResourceRequest(
      issued.access_token, 'GET', new URL(resource), undefined, undefined, options,
    ),
  )
  answers.push([answer.status, await answer.json()])
}
const replayed = await fetch(resource, { headers: sent.headers })
answers.push([replayed.status, (await replayed.json()).error])
console.log(JSON.stringify({ retries, answers }))

// An OpenID provider. It prints its issuer, and for each line that it reads it logs a user out.

import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

console.info = console.warn = console.error // Its notices for developers.
const { client, key, resource, logout } = JSON.parse(process.argv[2])

const { privateKey } = await generateKeyPair('RS256', { extractable: true })
const signing = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'provider' }

const server = createServer()
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const issuer = `http://127.0.0.1:${server.address().port}`
const provider = new Provider(issuer, {
  clients: [{
    client_id: client,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: { keys: [key] },
    dpop_bound_access_tokens: true,
    backchannel_logout_uri: logout,
    backchannel_logout_session_required: true,
  }],
  // By itself it sends nothing to loopback addresses.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  cookies: { keys: ['a key of the tests'] },
  jwks: { keys: [signing] },
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 1), requireNonce: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: '', audience: resource, accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
})
server.on('request', provider.callback())
console.log(issuer)

for await (const user of createInterface({ input: process.stdin })) {
  const party = await provider.Client.find(client)
  try {
    await party.backchannelLogout(user, 'session 1')
    console.log('taken')
  } catch (error) {
    console.log(error.message, error.cause ?? '')
  }
}
process.exit()

// A sender of tokens of each kind, which sends each of them twice.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { SignJWT, importJWK } from 'jose'

const { keys, issuer, audience, origin } = JSON.parse(readFileSync(0, 'utf8'))

const event = (name) => ({ events: { [name]: {} } })
const kinds = {
  client_assertion: (token) => token().setSubject(issuer).setExpirationTime('1m'),
  jwt_bearer_grant: (token) => token().setSubject('user 1').setExpirationTime('1m'),
  logout_token: (token) =>
    token({ sid: 'session 1', ...event('http://schemas.openid.net/event/backchannel-logout') })
      .setExpirationTime('2m'),
  security_event: (token) =>
    token(event('https://schemas.openid.net/secevent/caep/event-type/session-revoked')),
}
const types = {
  client_assertion: 'client-authentication+jwt',
  jwt_bearer_grant: 'JWT',
  logout_token: 'logout+jwt',
  security_event: 'secevent+jwt',
}
const bodies = {
  client_assertion: (text) => new URLSearchParams({
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: text,
  }),
  jwt_bearer_grant: (text) => new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: text,
  }),
  logout_token: (text) => new URLSearchParams({ logout_token: text }),
  security_event: (text) => text,
}

async function send(kind, body) {
  const headers = kind === 'security_event' ? { 'Content-Type': 'application/secevent+jwt' } : {}
  const answer = await fetch(`${origin}/${kind}`, { method: 'POST', headers, body })
  const text = await answer.text()
  return [answer.status, answer.ok ? text : JSON.parse(text).error]
}

const answers = []
for (const jwk of keys) {
  const key = await importJWK(jwk)
  for (const [kind, complete] of Object.entries(kinds)) {
    const token = (claims = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ: types[kind] })
        .setIssuer(issuer).setAudience(audience).setIssuedAt().setJti(randomUUID())
    const text = await complete(token).sign(key)
    const first = await send(kind, bodies[kind](text))
    answers.push([jwk.alg, kind, first, await send(kind, bodies[kind](text))])
  }
}
console.log(JSON.stringify(answers))

// Loaded into kinesis-local by `node --require`. Two mends, for the demo and the tests only.
'use strict';

// 1. The AWS SDK inside the KCL speaks HTTP/2 over TLS without offering ALPN (it knows AWS does). Node then stores
//    alpnProtocol = false, kinesis-local falls back to HTTP/1 and drops the connection. Read such a value as 'h2'
//    only where the client offered nothing: clients that do negotiate keep what they negotiated.
const tls = require('node:tls');
const negotiated = Symbol('negotiated');
Object.defineProperty(tls.TLSSocket.prototype, 'alpnProtocol', {
  configurable: true,
  get() {
    return this[negotiated] === false ? 'h2' : this[negotiated];
  },
  set(value) {
    this[negotiated] = value;
  },
});

// 2. It listens on every interface and has no setting for that: force the loopback address.
const net = require('node:net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  if (first !== null && typeof first === 'object' && 'port' in first) {
    return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest);
  }
  if (typeof first === 'number' || /^\d+$/.test(first)) {
    const callback = rest.filter((argument) => typeof argument === 'function');
    return listen.call(this, { port: Number(first), host: '127.0.0.1' }, ...callback);
  }
  return listen.call(this, first, ...rest);
};

"""Models of Redis and Upstash as their SDKs' clients."""

from clef_sim.services.redis.clients import RedisClient, RedisService, UpstashClient, UpstashService

__all__ = ["RedisClient", "RedisService", "UpstashClient", "UpstashService"]

FROM clef-local/redis
CMD ["redis-server"]

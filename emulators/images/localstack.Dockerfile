FROM clef-local/python
COPY localstack /opt/localstack
ENV PYTHONPATH=/opt/localstack GATEWAY_LISTEN=0.0.0.0:4566 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0
CMD ["python3", "-m", "localstack.runtime.main"]

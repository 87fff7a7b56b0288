{{- define "streamspace.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* 40 characters leave room for what is put behind: -ticket-public, and what StatefulSets add. */}}
{{- define "streamspace.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "streamspace.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "streamspace.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels and what selects by them: (list $ "gateway"). */}}
{{- define "streamspace.selector" -}}
app.kubernetes.io/name: {{ include "streamspace.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "streamspace.labels" -}}
{{ include "streamspace.selector" . }}
app.kubernetes.io/part-of: streamspace
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end -}}

{{- define "streamspace.image" -}}
{{- $image := printf "%s/%s" .Values.image.registry .Values.image.name -}}
{{- if .Values.image.digest -}}
{{ $image }}@{{ .Values.image.digest }}
{{- else -}}
{{ $image }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "streamspace.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "streamspace.desktops" -}}
{{- .Values.desktops.namespace | default .Release.Namespace -}}
{{- end -}}

{{/* Everything of ours runs as nobody, and can change nothing but its volumes. */}}
{{- define "streamspace.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "streamspace.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "streamspace.postgresEnv" -}}
{{- if .Values.postgres.enabled -}}
- name: POSTGRES_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "streamspace.fullname" . }}-postgres
      key: password
- name: STREAMSPACE_POSTGRES_URL
  value: postgres://streamspace:$(POSTGRES_PASSWORD)@{{ include "streamspace.fullname" . }}-postgres:5432/streamspace?sslmode=disable
{{- else -}}
- name: STREAMSPACE_POSTGRES_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.postgres.external.urlSecret }}
      key: url
{{- end -}}
{{- end -}}

{{- define "streamspace.redisEnv" -}}
{{- if .Values.redis.enabled -}}
- name: REDIS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "streamspace.fullname" . }}-redis
      key: password
- name: STREAMSPACE_REDIS_URL
  value: redis://:$(REDIS_PASSWORD)@{{ include "streamspace.fullname" . }}-redis:6379/0
{{- else -}}
- name: STREAMSPACE_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.redis.external.urlSecret }}
      key: url
{{- end -}}
{{- end -}}

{{/* What each of our processes is told: (list $ "gateway"). */}}
{{- define "streamspace.commonEnv" -}}
{{- $ := index . 0 -}}
- name: STREAMSPACE_LOG_LEVEL
  value: {{ $.Values.logLevel }}
- name: STREAMSPACE_LOG_FORMAT
  value: {{ $.Values.logFormat }}
- name: STREAMSPACE_METRICS_LISTEN
  value: 0.0.0.0:9090
{{- range $name, $value := (index $.Values (index . 1)).env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "streamspace.publicEnv" -}}
- name: STREAMSPACE_LISTEN
  value: 0.0.0.0:8080
- name: STREAMSPACE_DATA_DIR
  value: /var/lib/streamspace/data # its own: the volume is root's
- name: STREAMSPACE_EXTERNAL_URL
  value: {{ required "url is needed: what people type to get there, https://desks.example.org" .Values.url | quote }}
{{- with .Values.trustedProxies }}
- name: STREAMSPACE_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}

{{- define "streamspace.placement" -}}
{{- $ := index . 0 -}}
{{- $values := index $.Values (index . 1) -}}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "streamspace.selector" . | nindent 8 }}
{{- end -}}

{{/* Probes of a process that serves on a port: (list "http"). */}}
{{- define "streamspace.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ index . 0 }}}
  periodSeconds: 2
  failureThreshold: 150
livenessProbe:
  httpGet: {path: /healthz, port: {{ index . 0 }}}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: {{ index . 0 }}}
  periodSeconds: 3
  timeoutSeconds: 5
{{- end -}}

{{- define "streamspace.seconds" -}}
{{- $n := regexFind "^[0-9]+" . | int -}}
{{- if hasSuffix "m" . -}}{{ mul $n 60 }}{{- else -}}{{ $n }}{{- end -}}
{{- end -}}

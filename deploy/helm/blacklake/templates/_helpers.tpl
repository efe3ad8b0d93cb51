{{- define "blacklake.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "blacklake.selector" -}}
app.kubernetes.io/name: blacklake
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "blacklake.labels" -}}
{{ include "blacklake.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* The image of a colour: (dict "root" $ "colour" its values) */}}
{{- define "blacklake.image" -}}
{{- $image := .root.Values.image -}}
{{- $digest := .colour.digest | default (ternary "" $image.digest (hasKey .colour "tag")) -}}
{{- if $digest -}}
{{ $image.repository }}@{{ $digest }}
{{- else -}}
{{ $image.repository }}:{{ .colour.tag | default $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "blacklake.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "blacklake.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "blacklake.volumes" -}}
- name: data
  emptyDir: {sizeLimit: {{ .Values.storage.spoolSize }}}
- name: database
  secret:
    secretName: {{ required "database.secretName: a Secret that has blacklake.toml" .Values.database.secretName }}
    items: [{key: blacklake.toml, path: blacklake.toml}]
- name: auth
  secret:
    secretName: {{ required "auth.secretName: a Secret that has secret-key and admin-password" .Values.auth.secretName }}
    items: [{key: secret-key, path: secret-key}, {key: admin-password, path: admin-password}]
{{- with .Values.storage.secretName }}
- name: storage
  secret: {secretName: {{ . }}, items: [{key: credentials, path: credentials}]}
{{- end }}
{{- end -}}

{{- define "blacklake.mounts" -}}
- {name: data, mountPath: /var/lib/blacklake}
- {name: database, mountPath: /etc/blacklake, readOnly: true}
- {name: auth, mountPath: /etc/blacklake-auth, readOnly: true}
{{- if .Values.storage.secretName }}
- {name: storage, mountPath: /etc/blacklake-storage, readOnly: true}
{{- end }}
{{- end -}}

{{- define "blacklake.environment" -}}
envFrom:
  - configMapRef: {name: {{ include "blacklake.name" . }}}
{{- if .Values.storage.secretName }}
env:
  - {name: AWS_SHARED_CREDENTIALS_FILE, value: /etc/blacklake-storage/credentials}
{{- end }}
{{- end -}}

{{- define "blacklake.clamav" -}}
{{ include "blacklake.name" . }}-clamav
{{- end -}}

{{- define "blacklake.clamavSelector" -}}
app.kubernetes.io/name: blacklake-clamav
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "blacklake.clamavMounts" -}}
- {name: config, mountPath: /etc/blacklake-clamav, readOnly: true}
- {name: signatures, mountPath: /var/lib/clamav}
- {name: tmp, mountPath: /tmp}
{{- end -}}

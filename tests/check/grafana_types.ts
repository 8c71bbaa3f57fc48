// What a dashboard of ours may be, in Grafana's own words. The test writes one file a dashboard, with its JSON as a literal of
// these types, and compiles it: a literal may have no member that Grafana does not know.
//
// Grafana publishes a panel's options and field configuration apart from the panel, whose `type` is a plain string and whose
// `options` are anything. They are put together here, for the types of panels that we use.
import type * as schema from '@grafana/schema';
import type * as dashboards from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';
import type * as gauge from '@grafana/schema/dist/esm/raw/composable/gauge/panelcfg/x/GaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as text from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON knows no enum: its members' values stand for them.
type Json<T> = unknown extends T ? unknown
  : T extends string ? `${T}`
  : T extends number ? (`${T}` extends `${infer N extends number}` ? N : never)
  : T extends (infer E)[] ? Json<E>[]
  : T extends object ? { [K in keyof T]: Json<T[K]> }
  : T;

// The Prometheus data source does not publish its query; these are the members of it that a saved dashboard holds.
type Query = schema.DataQuery & {
  expr: string;
  legendFormat: string;
  range: boolean;
  instant: boolean;
  exemplar: boolean;
  editorMode: 'code';
  format?: 'time_series' | 'heatmap' | 'table';
};

type Fields<Custom> = Omit<dashboards.FieldConfigSource, 'defaults'> & {
  defaults: Omit<dashboards.FieldConfig, 'custom'> & { custom?: Custom };
};

type Of<Type extends string, Options, Custom> =
  Omit<dashboards.Panel, 'type' | 'options' | 'fieldConfig' | 'targets'>
  & Required<Pick<dashboards.Panel, 'id' | 'title' | 'description' | 'gridPos' | 'datasource'>>
  & { type: Type; options: Options; fieldConfig: Fields<Custom>; targets: Query[] };

type None = Record<string, never>;

export interface Panels {
  timeseries: Json<Of<'timeseries', timeseries.Options, timeseries.FieldConfig>>;
  heatmap: Json<Of<'heatmap', heatmap.Options, heatmap.FieldConfig>>;
  stat: Json<Of<'stat', stat.Options, None>>;
  gauge: Json<Of<'gauge', gauge.Options, None>>;
  table: Json<Of<'table', table.Options, Partial<table.FieldConfig>>>;
  text: Json<Omit<Of<'text', text.Options, None>, 'datasource' | 'targets' | 'fieldConfig'>>;
  row: Json<dashboards.RowPanel>;
}

// `definition` and `options` of a query variable are Grafana's too, but stand in no published type.
type Variable = dashboards.VariableModel & { definition?: string };

// An annotation's query is its data source's: Prometheus's is an expression, and how to write what it finds.
type Annotation = dashboards.AnnotationQuery & {
  expr?: string; step?: string; titleFormat?: string; textFormat?: string; tagKeys?: string;
};

export type Dashboard = Json<
  Omit<dashboards.Dashboard, 'panels' | 'templating' | 'annotations' | 'schemaVersion'>
  & Required<Pick<dashboards.Dashboard, 'uid' | 'title' | 'description' | 'tags' | 'time' | 'refresh' | 'links'>>
> & { schemaVersion: 42; panels: Panels[keyof Panels][]; templating: { list: Json<Variable>[] }; annotations: { list: Json<Annotation>[] } };
